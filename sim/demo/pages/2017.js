// Shows what the demo tells of both homes, counts the seconds, and looks into the frame on the right for the
// moment at which the real page has gone dark.
const $ = (id) => document.getElementById(id);
let state = { stage: "setting", events: {} }, base = null, sawDark = null;
const secs = (ms) => `${(ms / 1000).toFixed(1)} s`;
const clock = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}`;
const since = () => (base === null ? null : performance.now() - base);

const NOW = {
    setting: "The stage is being set: both homes are quiet.",
    arriving: "A courier is at both doors, and is let in.",
    inside: "The courier is inside, in both homes. Jam the Wi-Fi when you like.",
    leaving: "The courier leaves and closes the door.",
    jammed: "Somebody near both homes sends deauthentication frames.",
    over: "The jammer is off. Once more?",
};

function caption(id, mark, glyph, title, sub) {
    const f = $(id), m = f.querySelector(".mark");
    m.className = `mark is-${mark}`;
    m.querySelector("use").setAttribute("href", `#g-${glyph}`);
    if (f.querySelector("b").textContent !== title)
        f.querySelector("b").textContent = title;
    f.querySelector(".sub").textContent = sub;
}
function note(id, strong, rest) {
    const b = document.createElement("b");
    b.textContent = `${strong} `;
    $(id).replaceChildren(b, rest);
}

function words() {
    const e = state.events, t = since();
    $("now").textContent = NOW[state.stage] ?? "";
    document.body.dataset.stage = state.stage;
    if (state.end?.why)
        $("now").textContent = `This play did not come to its end: ${state.end.why}`;
    const isAttack = e.jam !== undefined, after = state.stage === "over";
    if (e.taken !== undefined)
        caption("f-old", "act", "act", "The parcel is gone", "A stranger took it. The app still says \"Locked\".");
    else if (e.inside !== undefined)
        caption("f-old", "act", "act", `A stranger is inside${t === null || after ? "" : `, ${clock(t - e.inside)}`}`, "The lock waited for the camera's radio.");
    else if (e.opened !== undefined)
        caption("f-old", "act", "act", "The door is being opened", "The lock waited for the camera's radio.");
    else if (isAttack)
        caption("f-old", "notice", "open", "Closed, not locked", "The lock waits for the camera's radio.");
    else
        caption("f-old", "watched", "open", { inside: "The courier is inside", leaving: "The courier leaves" }[state.stage] ?? "Quiet", "");
    if (e.bolt !== undefined)
        caption("f-ours", "secured", "bolt", e.tried !== undefined ? "The bolt holds" : "The bolt is home",
            `The lock threw it alone, ${secs(e.bolt - state.closed)} after closing.`);
    else if (isAttack)
        caption("f-ours", "watched", "bolt", "Closed, the bolt is on its way", "The lock needs no radio for that.");
    else
        caption("f-ours", "watched", "open", { inside: "The courier is inside", leaving: "The courier leaves" }[state.stage] ?? "Quiet", "");
    if (!isAttack) {
        note("n-old", "A picture and a word.", "It has no age, and \"Locked\" is the button that was pressed last.");
        note("n-ours", "A picture with its proven age.", "What it says of the door is sensed, signed, and runs out.");
    } else if (e.cleared === undefined) {
        note("n-old", `This picture stopped ${Math.floor((t ?? 0) / 1000)} seconds ago.`, "Nothing in the old app says so, and \"Locked\" was a button somebody pressed.");
        note("n-ours", "No old picture is drawn.", sawDark === null ? "" : `Dark ${secs(sawDark)} after the last packet${e.told === undefined ? "" : `, told after ${secs(e.told)}`}. The blind seconds stay in the record.`);
    } else {
        note("n-old", `Nobody was told for ${Math.round(e.cleared / 1000)} seconds.`, "The picture runs again, and looks as calm as before.");
        note("n-ours", "The blind seconds stay in the record.", sawDark === null ? "" : `Dark after ${secs(sawDark)}${e.told === undefined ? "" : `, told after ${secs(e.told)}`}${e.bolt === undefined ? "" : `, the bolt home after ${secs(e.bolt)}`}.`);
    }
    const can = state.stage === "inside" || after;
    $("jam").disabled = !can;
    $("jam").setAttribute("aria-pressed", String(isAttack && !after));
    $("jam-word").textContent = after ? "Play it again" : "Jam the Wi-Fi";
    $("jam-say").textContent = after ? "the same two homes, anew" : isAttack ? `On for ${clock(t ?? 0)}.` : "as the courier leaves";
}

const SPAN = 15000, X0 = 40, X1 = 840;
const x = (ms) => X0 + Math.max(0, Math.min(1, ms / SPAN)) * (X1 - X0);
function draw() {
    const e = state.events, end = e.cleared ?? since() ?? 0, isAttack = e.jam !== undefined, parts = [];
    const put = (name, attributes, text) => {
        const el = document.createElementNS("http://www.w3.org/2000/svg", name);
        for (const [k, v] of Object.entries(attributes))
            el.setAttribute(k, v);
        if (text !== undefined)
            el.textContent = text;
        parts.push(el);
    };
    put("text", { class: "dim", x: 0, y: 30 }, "2017");
    put("text", { class: "dim", x: 0, y: 78 }, "Ours");
    put("rect", { class: "lane", x: X0, y: 18, width: X1 - X0, height: 14, rx: 7 });
    put("rect", { class: "lane", x: X0, y: 66, width: X1 - X0, height: 14, rx: 7 });
    for (let s = 0; s <= 15; s++) {
        put("path", { class: "axis", d: `M${x(s * 1000)} 92v6` });
        put("text", { class: "dim", x: x(s * 1000), y: 113, "text-anchor": "middle" }, s === 0 ? "jam" : String(s));
    }
    put("path", { class: "axis", d: `M${X0} 92H${X1}` });
    if (isAttack) {
        put("rect", { class: "lie", x: X0, y: 18, width: Math.max(0, x(end) - X0), height: 14 });
        put("text", { x: X0 + 8, y: 12 }, "the same calm picture");
        if (e.opened !== undefined) {
            put("circle", { class: "bad", cx: x(e.opened), cy: 25, r: 10 });
            put("text", { class: "badt", x: x(e.opened) + 14, y: 12 }, "door opened");
        }
        put("text", { class: "badt", x: X1 + 12, y: 30 }, "nobody told");
        if (sawDark !== null && sawDark < end)
            put("rect", { class: "dark", x: x(sawDark), y: 66, width: Math.max(0, x(Math.min(end, e.bolt > sawDark ? e.bolt : end)) - x(sawDark)), height: 14 });
        if (e.bolt !== undefined)
            put("rect", { class: "good", x: x(e.bolt), y: 66, width: Math.max(0, x(end) - x(e.bolt)), height: 14 });
        const said = [sawDark === null ? "" : `${(sawDark / 1000).toFixed(1)} dark`, e.told === undefined ? "" : `${(e.told / 1000).toFixed(1)} told`,
            e.bolt === undefined ? "" : `${(e.bolt / 1000).toFixed(1)} locked`].filter(Boolean).join(", ");
        put("text", { x: X0 + 8, y: 60 }, said);
        if (e.tried !== undefined) {
            put("circle", { class: "good", cx: x(e.tried), cy: 73, r: 10 });
            put("text", { class: "goodt", x: Math.max(x(e.tried) + 14, 312), y: 60 }, "handle tried: holds");
        }
        put("text", { class: "goodt", x: X1 + 12, y: 78 }, e.bolt === undefined ? "" : "locked");
        put("path", { class: "nowl", d: `M${x(end)} 8V92` });
    }
    $("line").replaceChildren(...parts);
}

// The real page says of its picture what it is; "dark" is whatever is neither live nor stale.
function look() {
    try {
        const word = $("ours").contentDocument?.querySelector("[data-picture]")?.dataset.picture;
        if (base !== null && state.events.cleared === undefined && sawDark === null && word && !["live", "stale"].includes(word))
            sawDark = since();
    } catch { /* not loaded yet */ }
    words();
    draw();
    requestAnimationFrame(look);
}

new EventSource("/2017/events").onmessage = (m) => {
    state = JSON.parse(m.data);
    if (state.events.jam === undefined) {
        base = null;
        sawDark = null;
    } else if (base === null) {
        base = performance.now() - (state.now ?? 0);
    }
};
$("jam").addEventListener("click", () => {
    $("jam").disabled = true;
    fetch("/2017/press", { method: "POST" });
});
look();
