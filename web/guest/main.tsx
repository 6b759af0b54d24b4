// A guest's page: what I may, and the door. Served by the hub; nothing of it goes anywhere else.
import { type JSX, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { listenForTouch, stayAwake } from "../shared/feel";
import { language } from "../shared/strings";
import { Guest } from "./engine";
import { HomeView } from "./home";
import { useGuest } from "./parts";
import { Refused, VisitView } from "./visitview";

const guest = new Guest();

function App(): JSX.Element {
  useGuest(guest);
  const [drawn, draw] = useState(0);
  useEffect(() => stayAwake(guest.isBusy), [guest.isBusy]);
  if (guest.isBusy) return <VisitView guest={guest} />;
  if (guest.refusal && guest.told) return <Refused guest={guest} visit={null} code={guest.refusal.code} />;
  return <div key={drawn}><HomeView guest={guest} redraw={() => draw((n) => n + 1)} /></div>;
}

document.documentElement.lang = language();
listenForTouch();
const root = document.getElementById("app")!;
root.replaceChildren();
render(<App />, root);
guest.start();
addEventListener("pageshow", (e) => {
  if (e.persisted) location.reload();
});
if ("serviceWorker" in navigator) void navigator.serviceWorker.register("/sw.js", { type: "module" }).catch(() => undefined);
