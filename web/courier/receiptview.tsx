// The courier's own receipt, as this phone checked it, and the ones it has kept.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { fromHex } from "../shared/bytes";
import { VerifyKey } from "../shared/cose";
import { fromBase64url } from "../shared/passkey";
import { type Receipt, readReceipt } from "../shared/receipt";
import { language, t } from "../shared/strings";
import { counter } from "../shared/times";
import type { Engine } from "./engine";
import { Icon } from "./icons";
import { type KeptReceipt, keptReceipts } from "./kept";
import { Frame, Go, Quiet } from "./parts";
import { timeIn } from "./types";

export function verdict(r: Receipt): string {
  return t(`courier.verdict.${r.outcome}`, { gap: seconds(r.gapMs) });
}

function seconds(ms: number): string {
  return new Intl.NumberFormat(language(), { minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(ms / 1000);
}

export function ReceiptFacts({ engine, receipt: r, isShort = false }: { engine: Engine; receipt: Receipt; isShort?: boolean }): JSX.Element {
  const zone = engine.job?.zone ?? null;
  const rows: [string, string][] = [];
  if (r.opened) rows.push([t("courier.fact.opened"), timeIn(zone, r.opened.ms)]);
  if (r.secured) rows.push([t(r.lockClass === "B" ? "courier.fact.locked.radio" : "courier.fact.locked"), timeIn(zone, r.secured.ms)]);
  if (isShort) rows.push([t("courier.fact.receipt"), t("courier.fact.kept")]);
  else {
    rows.push([t("courier.fact.inside"), counter(r.insideMs)]);
    rows.push([t("courier.fact.evidence"), t(`courier.fact.evidence.${r.lockClass}`)]);
    rows.push([t("courier.fact.gap"), r.outcome === "REFUSED" ? "-" : t("courier.fact.gap.value", { gap: seconds(r.gapMs) })]);
    rows.push([t("courier.fact.leaf"), r.leaf]);
    rows.push([t("courier.fact.visit"), r.visit]);
  }
  return <dl class="facts">{rows.map(([k, v]) => <div key={k}><dt>{k}</dt><dd class="time">{v}</dd></div>)}</dl>;
}

function save(r: KeptReceipt): void {
  const url = URL.createObjectURL(new Blob([fromBase64url(r.receipt)], { type: "application/cose" }));
  const a = document.createElement("a");
  a.href = url;
  a.download = `doorward-${r.visit}.cose`;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

export function ReceiptView({ engine }: { engine: Engine }): JSX.Element {
  const kept = keptReceipts();
  const [chosen, choose] = useState<string | null>(engine.visit?.id ?? null);
  const [read, setRead] = useState<Receipt | "bad" | null>(null);
  const one = kept.find((r) => r.visit === chosen);
  useEffect(() => {
    setRead(null);
    if (!one) return;
    const pub = /^[0-9a-f]{64}$/.test(one.hub_pub) ? fromHex(one.hub_pub) : fromBase64url(one.hub_pub);
    VerifyKey.of(pub).then((key) => readReceipt(key, fromBase64url(one.receipt))).then(setRead, () => setRead("bad"));
  }, [chosen]);
  const back = (): void => (engine.visit ? engine.go("visit") : chosen ? choose(null) : engine.leave());
  if (!one) {
    return (
      <Frame engine={engine} title={t("courier.receipts")} back={() => engine.leave()}>
        <ul class="opts">{kept.map((r) => <li key={r.visit}><button type="button" class="btn btn-wide" onClick={() => choose(r.visit)}><Icon name="receipt" />{t("courier.fact.visit")} {r.visit}</button></li>)}</ul>
      </Frame>
    );
  }
  return (
    <Frame engine={engine} title={t("courier.receipt.title")} back={back} end={<><Go icon="arrow" onClick={() => engine.leave()}>{t("courier.done.next")}</Go><Quiet onClick={() => save(one)}>{t("courier.receipt.save")}</Quiet></>}>
      {read === null ? null : read === "bad" ? <p class="callout is-unknown">{t("courier.unproven.bad")}</p> : (
        <>
          <p class="sub"><b>{verdict(read)}</b></p>
          <ReceiptFacts engine={engine} receipt={read} />
          <p class="told"><Icon name="camera" />{t("courier.receipt.recorded")}</p>
          <p class="told"><Icon name="tick" />{t("courier.receipt.checked")}</p>
        </>
      )}
    </Frame>
  );
}
