// The shell of the courier's app, and what reads barcodes once it was needed.
import { type ShellWorker, keepShell } from "../shared/shell";

const SHELL = ["/", "/courier.js", "/courier.css", "/icon.svg", "/manifest.webmanifest", "/push-1.svg", "/push-2.svg", "/push-3.svg"];
const LATER = ["/scan.worker.js", "/zxing_reader.wasm"];

keepShell(self as unknown as ShellWorker, "doorward-shell-1", SHELL, LATER);
