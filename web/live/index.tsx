// The live view for the household's app. Its app.mjs adds
//   { path: "/live-worker.js", entry: "live/worker.ts" }    and live/live.css to its css row.
//
//   const link = new Link({ onSignedOut: () => ... });      one for the page; survives restarts of the hub
//   <LiveView link={link} size="full" head={<DoorLine link={link} />}> <button .../> </LiveView>
//   <LiveView link={link} size="card" />                    decoding goes on only while a view is mounted

export { Link, type LinkEvents, type LinkOptions } from "./link";
export { LiveView, type LiveViewProps } from "./live-view";
export { DoorLine, type DoorLineProps } from "./door-line";
export { useSeen } from "./hooks";
export { DeadMan } from "./deadman";
export { Icon, type IconName } from "./icons";
export { ALARMING, doorLine, isOff, isVisitOn, type DoorLineWords, type DoorSeen, type Lease, type PictureWord } from "./seen";
export type { CameraMode, Coded, DrillLine, Hello, OwnerWord, State, Story } from "./messages";
