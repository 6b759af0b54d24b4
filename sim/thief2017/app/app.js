// What the app of 2017 knew: a picture that comes when it comes, and the button that was pressed last.
const $ = (id) => document.getElementById(id);
new EventSource("/state").onmessage = (e) => {
    const s = JSON.parse(e.data);
    $("is").textContent = s.is;
    $("text").textContent = s.text;
    $("bow").setAttribute("d", s.mark ? "M8 11V8a4 4 0 0 1 8 0v3" : "M8 11V8a4 4 0 0 1 7.5-2");
    document.querySelector(".ok").classList.toggle("is-open", !s.mark);
    document.body.dataset.is = s.is;
};
const tick = () => { $("clock").textContent = new Date().toTimeString().slice(0, 5); };
tick();
setInterval(tick, 1000);
