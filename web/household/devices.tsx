// Another camera or another lock: the key that the house believes from now on. An owner signs it, somebody is at the hub.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { fromHex, toHex } from "../shared/bytes";
import { thumbOf } from "../shared/cose";
import { t } from "../shared/strings";
import { Button, Field, Icon, Mark } from "../shared/ui";
import { keyText } from "../shared/week";
import { Page } from "./frame";
import { type House, useHouse } from "./house";
import { usePresence } from "./presence";

type Device = "camera" | "lock";

function Another({ house, device }: { house: House; device: Device }): JSX.Element {
  const { asking, run, note } = usePresence();
  const [text, setText] = useState("");
  const [thumb, setThumb] = useState("");
  const [done, setDone] = useState("");
  const key = text.replace(/[\s:]/g, "").toLowerCase();
  const isKey = /^[0-9a-f]{64}$/.test(key);
  useEffect(() => {
    let isOld = false;
    setThumb("");
    if (isKey) void thumbOf(fromHex(key)).then((b) => { if (!isOld) setThumb(toHex(b)); });
    return () => {
      isOld = true;
    };
  }, [key]);
  const send = (): void => run(async () => {
    setDone("");
    await house.act({ act: `${device}_key`, key });
    setDone(t("home.device.done"));
    setText("");
  });
  return (
    <section class="card sect stack" aria-labelledby={`${device}-title`}>
      <div class="row row-top"><Mark kind="plan" icon={device === "camera" ? "camera" : "lock"} /><div class="grow"><h2 id={`${device}-title`}>{t(`home.device.${device}`)}</h2><p class="dim">{t(`home.device.${device}.say`)}</p></div></div>
      <form class="stack" noValidate onSubmit={(e) => { e.preventDefault(); if (isKey && thumb !== "") send(); }}>
        <Field id={`${device}-key`} label={t("home.device.key")} hint={t("home.device.key.hint")} value={text} onInput={setText} max={200} mono required />
        {key !== "" && !isKey ? <p class="problem" role="alert"><Icon name="info" /><span>{t("home.device.form", { n: key.length })}</span></p> : null}
        {thumb === "" ? null : <p class="small">{t("home.device.thumb")} <span class="mono wrap">{keyText(thumb)}</span></p>}
        <p class="cap">{t("home.presence.hint")}</p>
        <Button type="submit" icon="key" busy={asking.busy} disabled={!isKey || thumb === ""} label={`${t("home.device.sign")}: ${t(`home.device.${device}`)}`}>{asking.busy ? t("sign.asking") : t("home.device.sign")}</Button>
      </form>
      <p role="status" class={done ? "said" : "vh"}>{done}</p>
      {note}
    </section>
  );
}

export function DevicesPage({ house }: { house: House }): JSX.Element {
  useHouse(house, "me");
  const isOwner = house.lists.me?.member.role === "owner";
  return (
    <Page house={house} title={t("home.devices")} back={{ href: "#/house", text: t("home.nav.house") }}>
      <p class="lead dim">{t(isOwner ? "home.devices.say" : "home.devices.occupant")}</p>
      {isOwner ? <div class="cols"><div class="col"><Another house={house} device="camera" /></div><div class="col"><Another house={house} device="lock" /></div></div> : null}
    </Page>
  );
}
