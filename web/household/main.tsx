// The household's app: one page at a time, the place in the address after "#".

import { type JSX, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { language, t } from "../shared/strings";
import { AlertsPage } from "./alerts";
import { DeliveryPage, NotesPage } from "./delivery";
import { DevicesPage } from "./devices";
import { DrillsPage } from "./drills";
import { Nav, routeOf } from "./frame";
import { ComePage } from "./grants";
import { GuestKeyPage } from "./guestkey";
import { GuidePage } from "./guide";
import { HousePage } from "./health";
import { House } from "./house";
import { LetInPage } from "./letin";
import { LivePage } from "./livepage";
import { PeoplePage } from "./people";
import { SettingsPage } from "./settings";
import { Signing } from "./signing";
import { TodayPage } from "./today";
import { LookedPage, VisitPage, VisitsPage } from "./visits";

const house = new House();

function Current({ page, id, redraw }: { page: string; id: string; redraw: () => void }): JSX.Element {
  switch (page) {
    case "live":
      return <LivePage house={house} />;
    case "visits":
      return <VisitsPage house={house} />;
    case "visit":
      return <VisitPage house={house} id={id} />;
    case "delivery":
      return <DeliveryPage house={house} id={id} />;
    case "notes":
      return <NotesPage house={house} />;
    case "people":
      return <PeoplePage house={house} />;
    case "come":
      return <ComePage house={house} />;
    case "letin":
      return <LetInPage house={house} of={id} isChange={false} />;
    case "change":
      return <LetInPage house={house} of={id} isChange />;
    case "guest":
      return <GuestKeyPage house={house} id={id} />;
    case "house":
      return <HousePage house={house} redraw={redraw} />;
    case "drills":
      return <DrillsPage house={house} />;
    case "alerts":
      return <AlertsPage house={house} />;
    case "devices":
      return <DevicesPage house={house} />;
    case "settings":
      return <SettingsPage house={house} />;
    case "looked":
      return <LookedPage house={house} />;
    case "start":
      return <GuidePage house={house} />;
    default:
      return <TodayPage house={house} />;
  }
}

const scrolled = new Map<string, number>();

function App(): JSX.Element {
  const [hash, setHash] = useState(location.hash);
  const [drawn, draw] = useState(0);
  // Until it is known who asks there is nothing to show; when the house cannot be asked, it is shown that it cannot.
  const isKnown = (): boolean => house.lists.me !== undefined || house.failed.me !== undefined;
  const [isReady, setReady] = useState(isKnown);
  useEffect(() => {
    let before = location.hash;
    const follow = (): void => {
      scrolled.set(before, scrollY);
      before = location.hash;
      setHash(location.hash);
    };
    addEventListener("hashchange", follow);
    const off = house.onChange(() => setReady(isKnown()));
    setReady(isKnown()); // it may have been told before anybody listened
    return () => {
      removeEventListener("hashchange", follow);
      off();
    };
  }, []);
  const route = routeOf(hash);
  useEffect(() => scrollTo(0, scrolled.get(hash) ?? 0), [hash]);
  return (
    <div key={drawn}>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.querySelector<HTMLElement>("h1")?.focus(); }}>{t("ui.skip")}</a>
      {isReady ? <Current key={`${route.page}/${route.id}`} page={route.page} id={route.id} redraw={() => draw((n) => n + 1)} /> : <main class="app" id="main" aria-busy="true"><h1 class="vh">{t("home.title")}</h1></main>}
      <Signing house={house} />
      <Nav route={route} />
    </div>
  );
}

document.documentElement.lang = language();
const root = document.getElementById("app")!;
root.replaceChildren();
render(<App />, root);
void house.load("me");
// Back from the browser's own memory (or from the pocket): what is looked at is asked anew.
addEventListener("pageshow", (e) => {
  if (e.persisted) location.reload();
});
addEventListener("visibilitychange", () => {
  if (!document.hidden) void house.load("me");
});
if ("serviceWorker" in navigator) {
  navigator.serviceWorker.addEventListener("message", (e: MessageEvent<{ go?: string }>) => {
    const go = e.data?.go;
    if (typeof go === "string" && go.startsWith("/#/")) location.hash = go.slice(1);
  });
  void navigator.serviceWorker.register("/sw.js", { type: "module" }).catch(() => undefined);
}
