// The courier's app: one step a screen.
import { type JSX, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { listenForTouch, stayAwake } from "../shared/feel";
import { language, t } from "../shared/strings";
import { Engine } from "./engine";
import { Go, Frame, useEngine } from "./parts";
import { ReceiptView } from "./receiptview";
import { ScanView } from "./scanview";
import { PlaceView, StopList, StopView } from "./stops";
import { VisitView } from "./visitview";

const engine = new Engine();

function App(): JSX.Element {
  useEngine(engine);
  useBack();
  const view = engine.kept.view;
  const isOn = engine.place === "here" && (view === "door" || view === "parcel" || engine.isBusy);
  useEffect(() => stayAwake(isOn), [isOn]);
  const [isTold, setTold] = useState(false);
  useEffect(() => {
    toldBack = () => {
      setTold(true);
      setTimeout(() => setTold(false), 4000);
    };
  }, []);
  if (engine.place === "checking") return <div class="scr" />;
  if (engine.place === "elsewhere") {
    return <Frame engine={engine} title={t("courier.elsewhere.title")} end={<Go onClick={() => engine.claim(true)}>{t("courier.elsewhere.here")}</Go>}><p class="sub">{t("courier.elsewhere.sub")}</p></Frame>;
  }
  return (
    <>
      <Screen />
      <p class={isTold ? "toast" : "vh"} role="status">{isTold ? t("courier.back.busy") : ""}</p>
    </>
  );
}

function Screen(): JSX.Element {
  switch (engine.kept.view) {
    case "stop":
      return <StopView engine={engine} />;
    case "door":
    case "parcel":
      return <ScanView key={engine.kept.view} engine={engine} what={engine.kept.view} />;
    case "visit":
      return <VisitView engine={engine} />;
    case "receipt":
      return <ReceiptView engine={engine} />;
    case "place":
      return <PlaceView engine={engine} />;
    default:
      return <StopList engine={engine} />;
  }
}

// The back button goes one step back. A visit that is under way stays: it is ended by the door, not by a button.
const currentView = (): string => engine.kept.view;
let toldBack: () => void = () => undefined;
let isGuarded = false;
function useBack(): void {
  const isDeep = engine.kept.view !== "list";
  useEffect(() => {
    if (isDeep && !isGuarded) {
      history.pushState({ doorward: true }, "");
      isGuarded = true;
    }
  });
}
addEventListener("popstate", () => {
  isGuarded = false;
  switch (engine.kept.view) {
    case "list":
      return;
    case "parcel":
      engine.go("door", { door: null });
      break;
    case "door":
      engine.go("stop");
      break;
    case "place":
      engine.go(engine.kept.place === null ? "stop" : "place", { place: null });
      break;
    case "receipt":
      if (engine.visit) engine.go("visit");
      else engine.leave();
      break;
    case "visit":
      if (engine.isBusy) toldBack();
      else engine.leave();
      break;
    default:
      engine.leave();
  }
  if (currentView() !== "list" && !isGuarded) {
    history.pushState({ doorward: true }, "");
    isGuarded = true;
  }
});

document.documentElement.lang = language();
listenForTouch();
const root = document.getElementById("app")!;
root.replaceChildren();
render(<App />, root);
engine.start();
if ("serviceWorker" in navigator) void navigator.serviceWorker.register("/sw.js", { type: "module" }).catch(() => undefined);
