// The button on the hub: somebody stands at it. Counts for five minutes, once [docs/design/people.md].
import { execFileSync } from "node:child_process";
import path from "node:path";

/** libexec: the folder of the programs; conf: the hub's settings. */
export function pressButton(libexec, conf) {
    execFileSync(path.join(libexec, "doorward-presence"), ["--config", conf], { stdio: ["ignore", "ignore", "inherit"] });
}
