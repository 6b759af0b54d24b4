// A page that holds nothing but the live view, for the tests.
import { render } from "preact";
import { useState } from "preact/hooks";
import { DoorLine, Link, LiveView } from "../../web/live/index";

declare global {
  var link: Link;
  var words: string[];
}

const link = new Link({ onSignedOut: () => (document.body.dataset.signed = "out") });
globalThis.link = link;
globalThis.words = [];
link.on("picture", (word) => globalThis.words.push(word));
const size = new URLSearchParams(location.search).get("size") === "card" ? "card" : "full";

function Page() {
  const [isShown, show] = useState(true);
  return (
    <main class="page">
      <h1 class="vh">Front door</h1>
      {isShown ? (
        <LiveView link={link} size={size} head={<DoorLine link={link} />}>
          <button type="button" class="btn btn-act" onClick={() => link.act("lock_now")}>
            Lock now
          </button>
        </LiveView>
      ) : null}
      <p>
        <button type="button" class="btn" id="toggle" onClick={() => show(!isShown)}>
          Show or hide
        </button>
      </p>
      <div class="card card-body">
        <DoorLine link={link} level={3} />
      </div>
    </main>
  );
}
render(<Page />, document.getElementById("app")!);
