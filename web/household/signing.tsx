// What a passkey is being asked for, in the words of the bytes that it signs.

import type { JSX } from "preact";
import { type Control, ROLES } from "../shared/grant";
import { has, t } from "../shared/strings";
import { Icon } from "../shared/ui";
import { keyText } from "../shared/week";
import { type House, useHouse } from "./house";

const numberOf = (target: string): number => parseInt(target.slice(-8), 16);

export function controlWords(house: House, c: Control): string {
  const n = numberOf(c.target);
  const people = house.lists.people;
  switch (c.act) {
    case "invite":
      return t("home.sign.invite", { name: c.name, role: t(`home.role.${ROLES[Number(`0x${c.value}`)] ?? "unknown"}`) });
    case "remove_member":
      return t("home.sign.remove_member", { name: house.memberName(n) || `#${n}` });
    case "remove_passkey":
      return t("home.sign.remove_passkey", { name: people?.passkeys.find((p) => p.number === n)?.label || `#${n}` });
    case "remove_invite":
      return t("home.sign.remove_invite", { name: people?.invitations.find((i) => i.number === n)?.name || `#${n}` });
    case "set_param": // to the last millisecond: nothing is rounded of what is signed
      return t("home.sign.set_param", { name: has(`param.${c.name}`) ? t(`param.${c.name}`) : c.name, value: c.name.endsWith("_ms") ? t("unit.s", { n: Number(`0x${c.value}`) / 1000 }) : String(Number(`0x${c.value}`)) });
    case "allow_agency":
      return t("home.sign.allow_agency", { name: people?.agencies.find((a) => a.id === c.target)?.name ?? c.target });
    case "camera_key":
    case "lock_key":
      return t(`home.sign.${c.act}`, { key: keyText(c.target) });
    default:
      return has(`home.sign.${c.act}`) ? t(`home.sign.${c.act}`) : c.act;
  }
}

export function Signing({ house }: { house: House }): JSX.Element {
  useHouse(house);
  const c = house.signing;
  return <div class="signing" role="status">{c ? <p class="card"><Icon name="key" /><span>{t("home.sign")} <b>{controlWords(house, c)}</b></span></p> : null}</div>;
}
