// The links, the labels of the parcel that is due now, and the hall.
const $ = (id) => document.getElementById(id);
const code = (format, text) => `/code.svg?format=${format}&text=${encodeURIComponent(text)}`;
function set(id, name, value) {
    if ($(id).getAttribute(name) !== value)
        $(id).setAttribute(name, value);
}
async function look() {
    const s = await (await fetch("/state")).json();
    for (const id of ["home", "courier"]) {
        set(id, "href", s[id]);
        $(id).textContent = s[id];
    }
    const parcel = s.parcels[0];
    set("bars", "src", code("Code128", parcel));
    set("bars", "alt", `Barcode of the parcel ${parcel}`);
    set("square", "src", code("QRCode", parcel));
    set("square", "alt", `The same as a QR code: ${parcel}`);
    set("sticker", "src", code("QRCode", s.door));
    set("sticker", "alt", `QR code of the door: ${s.door}`);
    $("parcel").textContent = parcel;
    $("door").textContent = s.door;
    $("hands").textContent = s.hands ?? "";
    $("now").textContent = s.isPlaying ? "You are the courier. The demo's own couriers wait." : "Until somebody signs in as courier, the demo plays deliveries by itself.";
    if (s.hasEye && !$("hall").firstChild) {
        const img = new Image();
        img.src = "/hall.mjpg";
        img.alt = "The simulated hall, seen from inside, without any proof";
        $("hall").append(img);
    }
}
$("again").addEventListener("click", () => fetch("/invite", { method: "POST" }).then(look));
$("button").addEventListener("click", async () => {
    const r = await fetch("/button", { method: "POST" }).catch(() => null);
    $("pressed").textContent = r?.ok ? `Pressed at ${new Date().toLocaleTimeString()}.` : "The hub did not take it.";
});
const tick = () => look().catch(() => { $("now").textContent = "The demo has ended."; });
tick();
setInterval(tick, 1000);
