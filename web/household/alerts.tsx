// Alerts: on this device by Web Push, or to an ntfy topic. A test shows that they arrive.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { fromBase64url, toBase64url } from "../shared/passkey";
import { language, t } from "../shared/strings";
import { Button, Field, Mark, ProblemNote, useAsking } from "../shared/ui";
import { Listed, Page } from "./frame";
import { type House, useHouse } from "./house";
import { dayAndTime } from "./words";

export function canPush(): boolean {
  return "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
}

/** The address of this device, when it has one. */
async function mine(): Promise<PushSubscription | null> {
  if (!canPush()) return null;
  const r = await navigator.serviceWorker.getRegistration();
  return (await r?.pushManager.getSubscription()) ?? null;
}

class Denied extends Error {}

export async function turnOn(house: House): Promise<void> {
  const key = house.lists.alerts?.vapid_key;
  if (!key) throw new Denied("no_key");
  if ((await Notification.requestPermission()) !== "granted") throw new Denied("denied");
  const r = await navigator.serviceWorker.ready;
  const old = await r.pushManager.getSubscription();
  const raw = fromBase64url(key);
  // A hub with a new key: what was subscribed for the old one is worth nothing.
  const isSame = old?.options.applicationServerKey && toBase64url(old.options.applicationServerKey) === key;
  if (old && !isSame) await old.unsubscribe();
  let s: PushSubscription;
  try {
    s = isSame ? old! : await r.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: raw });
  } catch {
    throw new Denied("unreachable");
  }
  const part = (name: PushEncryptionKeyName): string => {
    const k = s.getKey(name);
    return k ? toBase64url(k) : "";
  };
  await house.api.post("/api/alerts", { word: "add", channel: "push", endpoint: s.endpoint, p256dh: part("p256dh"), auth: part("auth"), lang: language() });
  await house.load("alerts");
}

export function AlertsPage({ house }: { house: House }): JSX.Element {
  useHouse(house, "alerts", "me");
  const asking = useAsking();
  const [here, setHere] = useState<string | null>(null);
  const [topic, setTopic] = useState("");
  const [said, setSaid] = useState("");
  useEffect(() => {
    mine().then((s) => setHere(s?.endpoint ?? null), () => undefined);
  }, [house.lists.alerts]);
  const a = house.lists.alerts;
  const go = (f: () => Promise<void>, done: string): void => {
    setSaid("");
    void asking.run(async () => {
      await f();
      setSaid(done);
    });
  };
  const say = async (body: unknown): Promise<void> => {
    await house.api.post("/api/alerts", body);
    await house.load("alerts");
  };
  const denied = asking.error instanceof Denied ? asking.error.message : null;
  const isHere = here !== null && (a?.places.some((p) => p.channel === "push") ?? false);
  const isIos = /iPhone|iPad/.test(navigator.userAgent);
  return (
    <Page house={house} title={t("home.alerts")} back={{ href: "#/house", text: t("home.nav.house") }}>
      <p class="lead dim">{t("home.alerts.say")}</p>
      <div class="cols">
        <div class="col">
          <section class="card sect stack" aria-labelledby="here-title">
            <h2 id="here-title">{t("home.alerts.here")}</h2>
            {canPush() ? (
              isHere ? (
                <>
                  <div class="row"><Mark kind="plan" icon="bell" small /><p class="grow">{t("home.alerts.on")}</p></div>
                  <Button busy={asking.busy} onClick={() => go(async () => {
                    const s = await mine();
                    if (s) {
                      await house.api.post("/api/alerts", { word: "remove", endpoint: s.endpoint });
                      await s.unsubscribe();
                    }
                    await house.load("alerts");
                  }, t("home.alerts.removed"))}>{t("home.alerts.off")}</Button>
                </>
              ) : <Button kind="ink" icon="bell" busy={asking.busy} onClick={() => go(() => turnOn(house), t("home.alerts.added"))}>{t("home.alerts.turnon")}</Button>
            ) : <p>{t(isIos ? "home.alerts.ios" : "home.alerts.cannot")}</p>}
            {denied !== null ? <p class="problem" role="alert"><span>{t(`home.alerts.${denied}`)}</span></p> : <ProblemNote error={asking.error} />}
            <p role="status" class={said ? "said" : "vh"}>{said}</p>
          </section>
          <section class="card sect" aria-labelledby="ntfy-title">
            <h2 id="ntfy-title">{t("home.alerts.ntfy")}</h2>
            <form class="stack" onSubmit={(e) => { e.preventDefault(); if (topic.trim() !== "") go(async () => { await say({ word: "add", channel: "ntfy", endpoint: topic.trim(), lang: language() }); setTopic(""); }, t("home.alerts.added")); }}>
              <Field id="ntfy" type="url" label={t("home.alerts.topic")} hint={t("home.alerts.topic.hint")} value={topic} onInput={setTopic} max={200} mono />
              <Button type="submit" busy={asking.busy} disabled={topic.trim() === ""}>{t("home.alerts.add")}</Button>
            </form>
          </section>
        </div>
        <div class="col">
          <section class="card" aria-labelledby="places-title">
            <h2 id="places-title" class="sect-title">{t("home.alerts.places")}</h2>
            <Listed house={house} name="alerts" count={a ? a.places.length : null} empty={t("home.alerts.none")}>
              {a && a.places.length > 0 ? (
                <>
                  <ul class="keys">
                    {a.places.map((p) => (
                      <li key={p.endpoint}>
                        <Mark kind={p.last_status !== null && p.last_status >= 400 ? "notice" : "plan"} icon="bell" />
                        <div>
                          <h3>{t(`home.alerts.${p.channel}`)}</h3>
                          <p class="say wrap">{p.endpoint}</p>
                          <p class="say">{t(p.last_status === null ? "home.alerts.never" : p.last_status === 0 ? "home.alerts.status.unreached" : p.last_status < 300 ? "home.alerts.status.taken" : "home.alerts.status.refused", { n: p.last_status ?? "" })} {p.added ? t("home.alerts.since", { time: dayAndTime(p.added, house.now()) }) : ""}</p>
                          <div class="acts"><Button busy={asking.busy} onClick={() => go(() => say({ word: "remove", endpoint: p.endpoint }), t("home.alerts.removed"))} label={`${t("home.people.remove")}: ${p.endpoint}`}>{t("home.people.remove")}</Button></div>
                        </div>
                      </li>
                    ))}
                  </ul>
                  <div class="sect"><Button kind="ink" wide icon="bell" busy={asking.busy} onClick={() => go(() => say({ word: "test" }), t("home.alerts.tested"))}>{t("home.alerts.test")}</Button></div>
                </>
              ) : null}
            </Listed>
          </section>
        </div>
      </div>
    </Page>
  );
}
