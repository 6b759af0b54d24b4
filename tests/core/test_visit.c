/* Rules VIS-n of docs/spec/visit.md, one visit a row: script in, effects out (rig.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

/* Serve I1, I9, I12, I19, I20, I23, I24, I29, I30, I32, I33, I34 and I37 as the spec says. */
static const struct {
    const char *name, *script, *want;
} rows[] = {
    {"VIS-13: an honest delivery",
     "hello@0 proof@1000 L:rci@1200 L:roo@3000 L:rco@12000 L:tci@14000 -@80000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured receipt:OK =watch stop =none /"},
    {"VIS-1: hello twice, proof twice, hello after the end",
     "hello@0 hello@500 proof@1000 proof@1001 hello@1100 L:rcoC@1200 hello@1300 L:rooC@3000 "
     "L:rcoC@12000 L:tci@14000 hello@15000 proof@16000 -@20000",
     "=checking rec =ready offer:none offer:none =recording intent opening =looking =opening "
     "retract =unlocked =inside =closing secured receipt:OK =watch stop /"},
    {"VIS-1: a proof of another visit, or too early, counts for nothing",
     "proof@0 hello@100 proof,2@500 -@1000", "=checking rec =ready offer:none /"},
    {"VIS-2: another visit waits, and is told so",
     "hello@0 hello,2@500 proof@1000 hello,3@1010 -@1100",
     "=checking rec =ready offer:none offer:other_visit receipt:REFUSED:other_visit =recording "
     "intent opening =looking offer:other_visit receipt:REFUSED:other_visit =opening retract /"},
    {"VIS-3: the recording begins before the offer", "cam-@0 hello@10 frame@500 -@600",
     "=checking rec =ready offer:none /"},
    {"VIS-4: the lock does not answer the proof", "hello@0 -@500 lk-@600 proof@700 -@5000",
     "=checking rec =ready offer:none / =recording intent opening receipt:REFUSED:lock_unreachable "
     "stop =none /"},
    {"VIS-4: the lock answers the proof that it is not locked",
     "hello@0 L:rciC@999 proof@1000 -@2000",
     "=checking rec =ready offer:none =recording intent opening receipt:REFUSED:bolt_not_thrown "
     "stop =none /"},
    {"VIS-4: no frame answers the look", "hello@0 proof@1000 -@1004 cam-@1004 -@1999 -@2100",
     "=checking rec =ready offer:none =recording intent opening / =looking / "
     "receipt:REFUSED:camera_not_live stop =none /"},
    {"VIS-4: frames without our nonce are no answer",
     "hello@0 rec-@10 proof@1000 cam-@1010 recorded@1020 stale@1100 stale@1200 stale@1500 -@4000",
     "=checking rec =ready offer:none =recording intent opening =looking "
     "receipt:REFUSED:camera_not_live stop =none /"},
    {"VIS-4: nor are frames that answer the nonce before it",
     "hello@0 rec-@10 proof@1000 cam-@1010 recorded@1020 old@1300 old@1700 old@2015 -@2019 -@2100",
     "=checking rec =ready offer:none =recording intent opening =looking / "
     "receipt:REFUSED:camera_not_live stop =none /"},
    {"VIS-5: no record, no opening", "rec-@0 hello@10 proof@1000 -@2990 -@3010",
     "=checking rec =ready offer:none =recording intent opening / receipt:REFUSED:record stop "
     "=none /"},
    {"VIS-5: the record failed", "rec-@0 hello@10 proof@1000 recfail@1100 -@4000",
     "=checking rec =ready offer:none =recording intent opening receipt:REFUSED:record stop =none "
     "/"},
    {"VIS-5: an older intent, or another visit, being durable counts for nothing",
     "rec-@0 hello@10 proof@1000 recorded:7@1010 recorded,2@1020 -@1100 recorded@1200 -@1300",
     "=checking rec =ready offer:none =recording intent opening / =looking =opening retract /"},
    {"VIS-6: a screen that says SECURED holds the bolt until its lease ends",
     "ask:3@0 hello@10 proof@1000 ask:4@1100 -@4999 -@5090",
     "show:3:5000 =checking rec =ready offer:none =recording intent opening show:4:0 / =looking "
     "=opening retract /"},
    {"VIS-6: or until it has taken it down", "ask:3@0 hello@10 proof@1000 saw:3@1200 -@1300",
     "show:3:5000 =checking rec =ready offer:none =recording intent opening =looking =opening "
     "retract /"},
    {"VIS-6: a screen that is gone may still glow",
     "ask:3@0 hello@10 proof@1000 gone:3@1200 -@1300 -@4999 -@5090",
     "show:3:5000 =checking rec =ready offer:none =recording intent opening / / =looking =opening "
     "retract /"},
    {"VIS-6: no lease while it is open, none of an unknown slot",
     "hello@0 proof@1000 L:rcoC@1200 ask:0@1300 ask:16@1300 L:rooC@2000 ask:0@2100 -@2200",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked show:0:0 =inside show:0:0 /"},
    {"VIS-19: gone by the inside handle and locked, then I am leaving: it is over",
     "hello:stay@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@5000 L:tci@7000 leaving,2@8000 "
     "L:rooI@10000 L:rcoI@12000 L:tci@14000 leaving@16000 -@80000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured =between stop egress rec =inside =closing secured "
     "=between stop receipt:OK =watch =none /"},
    {"VIS-19: said inside, it waits for the way out",
     "hello:stay@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@5000 L:tci@7000 leaving@9000 -@9500 "
     "L:rooI@10000 L:rcoI@12000 L:tci@14000 -@15000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured =between stop / egress rec =inside =closing secured "
     "receipt:OK =watch /"},
    {"VIS-28: the household's own opening: no camera, no offer, no watch after it",
     "cam-@0 -@3000 open@3000 L:rcoC@3200 L:rooC@5000 L:rcoC@9000 L:tci@11000 L:rooI@20000 "
     "L:rcoI@22000 L:tci@24000 -@30000",
     "/ =recording intent opening =opening retract =unlocked =inside =closing secured receipt:OK "
     "=none egress /"},
    {"VIS-28: asked twice is asked once; nobody opens",
     "open@0 open@10 L:rcoC@200 L:tciC@15200 "
     "open@15800 -@17000",
     "=recording intent opening =opening retract =unlocked secured receipt:NOT_OPENED =none "
     "=recording intent opening =opening retract /"},
    {"VIS-28: it waits for the record, and does without none",
     "rec-@0 open@10 -@1900 -@2100 open,2@3000 recfail,2@3100 open,3@4000 recorded:1,3@4100 "
     "recorded,3@4200 -@4300",
     "=recording intent opening / receipt:REFUSED:record =none / =recording intent opening "
     "receipt:REFUSED:record =none =recording intent opening =opening retract /"},
    {"VIS-28: and for the screens", "ask:3@0 open@10 ask:4@1100 -@4999 -@5090",
     "show:3:5000 =recording intent opening show:4:0 / =opening retract /"},
    {"VIS-28: a lock that does not answer the act is not told to open",
     "lk-@0 open@100 -@4000 open,2@5000 -@6000",
     "=recording intent opening receipt:REFUSED:lock_unreachable =none / "
     "receipt:REFUSED:lock_unreachable /"},
    {"VIS-28: nor one that says it is open, or not out",
     "L:rooK@0 open@500 L:rcoK@2000 open,2@2500 L:jcoK@3000 open,3@3500 -@4000",
     "receipt:REFUSED:door_not_closed receipt:REFUSED:bolt_not_thrown alarm:jammed "
     "receipt:REFUSED:bolt_not_thrown /"},
    {"VIS-28: never beside a visitor, nor a visitor beside it",
     "hello@0 open,2@500 proof@1000 open,3@1010 -@1100 end@1200 L:tci@1900 open,4@40000 "
     "hello,5@40002 L:rcoC@40200 hello,6@40300 -@41000",
     "=checking rec =ready offer:none receipt:REFUSED:other_visit =recording intent opening "
     "=looking receipt:REFUSED:other_visit =opening retract / throw throw secured "
     "receipt:NOT_OPENED "
     "=watch stop =none =recording intent opening offer:other_visit receipt:REFUSED:other_visit "
     "=opening retract =unlocked offer:other_visit receipt:REFUSED:other_visit /"},
    {"VIS-28: in a watch it may; who opens from inside then is still told",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@5000 L:tci@7000 open,2@20000 L:rcoC@20200 "
     "L:rooC@22000 L:rcoC@24000 L:tci@26000 L:rooI@30000 -@31000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured receipt:OK =watch stop =recording intent opening "
     "=opening retract =unlocked =inside =closing secured receipt:OK =none egress "
     "alarm:someone_inside /"},
    {"VIS-28: left open it is told and released, as any other",
     "open@0 L:rcoC@200 L:rooC@2000 -@70000 -@250000 L:rcoC@251000 L:tci@253000 -@254000",
     "=recording intent opening =opening retract =unlocked =inside alarm:held_open / "
     "receipt:NOT_SECURED alarm:not_secured =not_secured / throw secured over:held_open "
     "over:not_secured confirmed:NOT_SECURED =none /"},
    {"VIS-28: a lock that falls silent is not locked",
     "open@0 L:rcoC@200 L:rooC@2000 lk-@3000 -@40000 lk+@41000 L:tci@41010 -@45000",
     "=recording intent opening =opening retract =unlocked =inside alarm:lock_silent "
     "receipt:SECURED_UNCONFIRMED =unconfirmed / throw secured over:lock_silent "
     "confirmed:OK =none /"},
    {"VIS-28: a lock of class C serves its household; the hub ends its lease",
     "class:C@0 open@500 L:rcaC@700 -@15000 L:tca@16000 -@18000",
     "=recording intent opening =opening retract =unlocked / throw secured receipt:NOT_OPENED "
     "=none /"},
    {"VIS-28: one without a contact is never called locked",
     "class:C@0 L:tua@100 open@2000 L:ruaC@2200 L:tua@6000 -@8000 open,2@9000 -@30000",
     "=recording intent opening =opening retract =unlocked receipt:SECURED_UNCONFIRMED =none / "
     "=recording intent opening =opening retract receipt:SECURED_UNCONFIRMED =none /"},
    {"VIS-28: the lock refuses", "open@0 answer@500 -@600",
     "=recording intent opening =opening retract receipt:REFUSED:lock_unreachable =none /"},
    {"VIS-28: the household ends it before and after",
     "rec-@0 open@10 end@100 rec+@200 open,2@300 L:rcoC@500 end@700 L:tci@1500 -@3000",
     "=recording intent opening receipt:REFUSED:ended_by_household =none =recording intent "
     "opening =opening retract =unlocked throw secured receipt:NOT_OPENED =none /"},
    {"VIS-29: away: an opening that nobody is known for alarms, however it came about",
     "away:1@0 L:rooK@100 -@500 ack@600 L:rcoK@2000 L:tci@4000 L:rooI@6000 away:0@6500 -@7000 "
     "ack@7100 L:rcoI@8000 L:tci@10000 L:rooI@12000 -@13000",
     "alarm:unknown_opening / over:unknown_opening egress alarm:unknown_opening / "
     "over:unknown_opening egress /"},
    {"VIS-29: away: the household's act and a visit are known",
     "away:1@0 open@100 L:rcoC@300 L:rooC@2000 L:rcoC@4000 L:tci@6000 hello,2@10000 proof,2@11000 "
     "L:rcoC@11200 L:rooC@13000 L:rcoC@15000 L:tci@17000 -@18500 L:rooK@20000 -@21000",
     "=recording intent opening =opening retract =unlocked =inside =closing secured receipt:OK "
     "=none =checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured receipt:OK =watch stop / alarm:unknown_opening /"},
    {"VIS-7: opened again after the bolt was out",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@12000 lk-@12005 L:tco@14000 L:rooC@14500 "
     "lk+@14600 L:rcoC@16000 L:tci@17800 -@19000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing alarm:second_opening degraded =inside =closing throw secured "
     "receipt:SECURED_WITH_GAP =watch stop /"},
    {"VIS-7: a leaf that bounces is one opening",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@12000 L:rooC@12300 L:rcoC@12800 "
     "L:tci@14500 -@15000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing =inside =closing secured receipt:OK =watch /"},
    {"VIS-7: a bounce that nobody heard is one opening",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@12000 lk-@12005 L:tciC+1@14000 lk+@14100 "
     "-@15000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured receipt:OK =watch /"},
    {"VIS-7: open and closed between two words",
     "hello@0 proof@1000 L:rcoC@1200 L:rcoC+1@3000 -@3100 L:tci@4900 -@6000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing / secured receipt:OK =watch stop /"},
    {"VIS-7: opened from outside after it was over",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@12000 L:tci@14000 -@15000 L:rooC@16000 "
     "L:rcoC@17000 L:tci@18000 -@19000 hello,2@20000 -@20100",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured receipt:OK =watch stop / alarm:second_opening / =checking "
     "rec offer:unaccounted_opening receipt:REFUSED:unaccounted_opening stop =none /"},
    {"VIS-8: the handle opens; recorded, never blocked",
     "L:rciI@0 L:roiI@200 L:rciI@3000 L:tci@5000 -@6000", "egress /"},
    {"VIS-8: left by the handle during the visit",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@5000 L:tco@5400 L:rooI@5500 L:rcoI@7000 "
     "L:tci@9000 -@10000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing egress =inside =closing secured receipt:OK =watch /"},
    {"VIS-10: the red button throws in any state",
     "ownerlock@0 hello@100 ownerlock@200 proof@1000 L:rcoC@1200 ownerlock@1300 -@1400",
     "throw =checking rec =ready offer:none throw =recording intent opening =looking =opening "
     "retract =unlocked throw /"},
    {"VIS-11: the camera stops before the opening", "hello@0 -@100 cam-@200 proof@5000 -@8000",
     "=checking rec =ready offer:none / =recording intent opening =looking "
     "receipt:REFUSED:camera_not_live stop =none /"},
    {"VIS-11: the camera stops while it is unlocked",
     "hello@0 proof@1000 L:rcoC@1200 cam-@1300 -@3200 -@3310 L:tci@4000 -@5200",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked / alarm:camera_blind degraded throw / secured over:camera_blind "
     "receipt:SECURED_WITH_GAP =watch stop =none /"},
    {"VIS-11: the camera stops while it is open",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 cam-@4000 -@5900 -@6020 cam+@8000 L:rcoC@12000 "
     "L:tci@13500 -@15000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside / alarm:camera_blind degraded / =closing throw secured over:camera_blind "
     "receipt:SECURED_WITH_GAP =watch stop /"},
    {"VIS-11: one second on, one off",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 cam-@4000 cam+@5000 cam-@6000 cam+@7000 cam-@8000 "
     "-@8400 -@8900 cam+@9000 -@9100",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside alarm:camera_blind degraded / / /"},
    {"VIS-11: frozen while open",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 frozen:1501@4000 -@4100 frozen:0@5000 L:rcoC@6000 "
     "L:tci@8000 -@9000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside alarm:camera_frozen degraded / over:camera_frozen =closing throw secured "
     "receipt:SECURED_TAMPERED =watch stop /"},
    {"VIS-11: covered while open",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 covered:1@4000 -@4900 -@5100 covered:0@6000 "
     "L:rcoC@7000 L:tci@9000 -@9500",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside / alarm:camera_covered degraded / over:camera_covered =closing throw "
     "secured receipt:SECURED_WITH_GAP =watch /"},
    {"VIS-11: old signed frames while open",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 replay@4000 L:rcoC@7000 L:tci@9000 -@9500",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside alarm:camera_tampered degraded =closing throw secured over:camera_tampered "
     "receipt:SECURED_TAMPERED =watch /"},
    {"VIS-11: a chain that does not hold",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 broken@4000 L:rcoC@7000 L:tci@9000 -@9500",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside alarm:camera_tampered degraded =closing throw secured over:camera_tampered "
     "receipt:SECURED_TAMPERED =watch /"},
    {"VIS-11: a frame that fails its check, a camera that was opened",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 fault@4000 tamper@4100 L:rcoC@7000 L:tci@9000 "
     "-@9500",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside alarm:camera_tampered degraded =closing throw secured over:camera_tampered "
     "receipt:SECURED_TAMPERED =watch /"},
    {"VIS-11: the camera stops while the bolt is stuck",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@7000 L:jcoC@10500 -@12100 cam-@12200 "
     "-@14500 cam+@15000 L:tci@16000 -@17100",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing alarm:jammed throw alarm:not_secured =not_secured / "
     "alarm:camera_blind degraded throw / over:jammed secured over:camera_blind over:not_secured "
     "receipt:SECURED_WITH_GAP =watch stop /"},
    {"VIS-12: an answer to an ask from before the closing does not say locked",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 late:1500@6000 L:rcoC@7000 L:tci@7100 -@8400 "
     "ask:0@8600 -@9000 -@10200",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside / =closing show:0:0 / secured receipt:OK =watch /"},
    {"VIS-12: thrown, but not in the strike",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@7000 L:tco@9000 -@12500",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing throw alarm:not_secured =not_secured /"},
    {"VIS-12: a contact that could not tell has perhaps been open",
     "ask:0@0 L:tui@1000 ask:0@1100 lk-@1200 L:tci@1300 ask:0@1400 lk+@1500 -@1600 ask:0@1700",
     "show:0:5000 show:0:0 show:0:0 / show:0:5000"},
    {"VIS-13: unlocked, but nobody came", "hello@0 proof@1000 L:rcoC@1200 L:tci@17500 -@18700",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked secured receipt:NOT_OPENED =watch stop =none /"},
    {"VIS-14: a frame is missing",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 skip@4000 L:rcoC@7000 L:tci@9000 -@9100",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured receipt:SECURED_WITH_GAP =watch /"},
    {"VIS-14: the camera began anew",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 reboot@4000 L:rcoC@7000 L:tci@9000 -@9100",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured receipt:SECURED_WITH_GAP =watch /"},
    {"VIS-14: blind for less than T_loss",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 cam-@4000 cam+@5900 L:rcoC@7000 L:tci@9000 -@9100",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured receipt:OK =watch /"},
    {"VIS-16: silent after the retract, then locked",
     "hello@0 proof@1000 lk-@1050 -@4000 -@4100 -@21000 -@21100 lk+@23000 -@24000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract / "
     "alarm:lock_silent / / receipt:SECURED_UNCONFIRMED =unconfirmed / secured over:lock_silent "
     "confirmed:NOT_OPENED stop =none /"},
    {"VIS-16: silent while open, then locked after its own rules",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 lk-@3100 -@24000 L:tci@30000 -@31000 lk+@31500 "
     "-@33000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside alarm:lock_silent receipt:SECURED_UNCONFIRMED =unconfirmed / secured "
     "over:lock_silent confirmed:OK stop =none / /"},
    {"VIS-16: its one opening is heard of afterwards",
     "hello@0 proof@1000 lk-@1050 -@22000 L:tciC+1@23000 lk+@23100 -@24500",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "alarm:lock_silent receipt:SECURED_UNCONFIRMED =unconfirmed / secured over:lock_silent "
     "confirmed:OK stop =none /"},
    {"VIS-16: heard again, and open",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 lk-@3100 -@24000 lk+@25000 -@31000 L:rcoC@32000 "
     "L:tci@33500 -@35000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside alarm:lock_silent receipt:SECURED_UNCONFIRMED =unconfirmed / throw throw "
     "alarm:not_secured =not_secured over:lock_silent / throw secured over:not_secured "
     "confirmed:OK stop =none /"},
    {"VIS-16: silent for a while, and back",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 lk-@3100 lost@3200 -@9000 lk+@10000 L:rcoC@12000 "
     "L:tci@13600 -@15000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside alarm:lock_silent / over:lock_silent =closing secured receipt:OK =watch "
     "stop /"},
    {"VIS-16: the camera is dark while nobody hears the lock",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 lk-@3100 -@24000 cam-@24500 -@27000 cam+@27500 "
     "L:tci@30000 lk+@31500 -@33000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside alarm:lock_silent receipt:SECURED_UNCONFIRMED =unconfirmed / "
     "alarm:camera_blind degraded / secured over:camera_blind over:lock_silent "
     "confirmed:SECURED_WITH_GAP stop =none /"},
    {"VIS-16: silent for three minutes",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 lk-@3100 -@204000 L:tci@205000 lk+@205100 "
     "-@207000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside alarm:lock_silent receipt:SECURED_UNCONFIRMED =unconfirmed stop / secured "
     "over:lock_silent confirmed:SECURED_WITH_GAP =none /"},
    {"VIS-17: restarted with the door closed and not locked",
     "L:rcoC@0 restarted@1000 -@4600 hello@5000 -@5100 L:tci@6000 -@7200 hello,2@8000 -@8100",
     "alarm:restarted throw throw / =checking rec throw offer:bolt_not_thrown "
     "receipt:REFUSED:bolt_not_thrown stop =none throw / over:restarted secured / =checking rec "
     "=ready offer:none /"},
    {"VIS-17: restarted with the door open",
     "L:rooC@0 ack@500 restarted@1000 -@9000 L:rcoC@10000 L:tci@12000 -@13000",
     "alarm:unaccounted over:unaccounted alarm:restarted / throw over:restarted secured /"},
    {"VIS-18: somebody opens from inside after a drop",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@12000 L:tci@14000 L:rciI@40000 "
     "L:roiI@40200 L:rciI@41000 L:tci@43000 -@76000 ack@77000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured receipt:OK =watch stop egress alarm:someone_inside =none "
     "/ over:someone_inside"},
    {"VIS-18: not after the watch",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@12000 L:tci@14000 L:rciI@80000 "
     "L:roiI@80200 -@80300",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured receipt:OK =watch stop =none egress /"},
    {"VIS-18: a refused hello does not end the watch",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@12000 L:tci@14000 -@16000 "
     "hello:bad,2@20000 -@25000 L:rciI@40000 L:roiI@40200 hello,3@40300 -@40500",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured receipt:OK =watch stop / offer:wrong_parcel "
     "receipt:REFUSED:wrong_parcel / egress alarm:someone_inside =checking rec "
     "offer:door_not_closed receipt:REFUSED:door_not_closed stop =none /"},
    {"VIS-18: the next visit does not end the watch",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@12000 L:tci@14000 -@16000 hello,2@20000 "
     "-@21000 L:rciI@22000 L:roiI@22200 -@22300",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured receipt:OK =watch stop / =checking rec =ready offer:none "
     "/ egress alarm:someone_inside offer:door_not_closed receipt:REFUSED:door_not_closed stop "
     "=none /"},
    {"VIS-19: two openings of a stay, and its end",
     "hello:stay@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@5000 L:tci@7000 -@9500 "
     "hello:stay@10000 proof@11000 L:rcoC@11200 L:rooC@13000 L:rcoC@15000 L:tci@17000 -@19000 "
     "leaving@20000 L:rciI@21000 L:roiI@21200 L:rciI@23000 L:tci@25000 -@27500",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured =between stop / =checking rec =ready offer:none "
     "=recording intent opening =looking =opening retract =unlocked =inside =closing secured "
     "=between stop / egress rec =inside =closing secured receipt:OK =watch stop =none /"},
    {"VIS-19: what was missing in the first opening is not forgotten in the second",
     "hello:stay@0 proof@1000 L:rcoC@1200 L:rooC@3000 skip@4000 L:rcoC@5000 L:tci@7000 "
     "hello:stay@10000 proof@11000 L:rcoC@11200 L:rooC@13000 leaving@14000 L:rcoC@15000 "
     "L:tci@17000 -@18500",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured =between stop =checking rec =ready offer:none =recording "
     "intent opening =looking =opening retract =unlocked =inside =closing secured "
     "receipt:SECURED_WITH_GAP =watch stop =none /"},
    {"VIS-19: no opening is left",
     "hello:stay@0 proof@1000 L:rcoC@1200 L:rooC@1300 L:rcoC@1400 L:tci@3000 hello:stay@5000 "
     "proof@5500 L:rcoC@5700 L:rooC@5800 L:rcoC@5900 L:tci@7500 hello:stay@9000 proof@9500 "
     "L:rcoC@9700 L:rooC@9800 L:rcoC@9900 L:tci@11500 hello:stay@14000 -@14100 end@20000 -@82000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured =between stop =checking rec =ready offer:none =recording "
     "intent opening =looking =opening retract =unlocked =inside =closing secured =between stop "
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured =between stop =checking offer:parcel_used =between / "
     "receipt:OK =watch =none /"},
    {"VIS-19: opened from inside while the next opening is asked for",
     "hello:stay@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@5000 L:tci@7000 hello:stay@10000 "
     "L:rciI@10500 L:roiI@10600 cam-@11000 -@13200 cam+@14000 L:rciI@15000 L:tci@17000 -@19000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured =between stop =checking rec =ready offer:none egress "
     "offer:door_not_closed =between =inside alarm:camera_blind degraded / =closing throw secured "
     "over:camera_blind =between stop /"},
    {"VIS-19: opened from outside between two openings, without asking",
     "hello:stay@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@5000 L:tci@7000 L:rooC@10000 "
     "L:rcoC@12000 L:tci@14000 hello:stay@16000 proof@17000 -@19000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured =between stop alarm:second_opening degraded rec =inside "
     "=closing throw secured =between stop =checking rec =ready offer:none =recording intent "
     "opening =looking offer:camera_not_live =between stop /"},
    {"VIS-20: held open, then closed",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 -@62990 -@63010 L:rcoC@70000 L:tci@72000 -@74000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside / alarm:held_open / =closing secured over:held_open receipt:OK =watch stop "
     "/"},
    {"VIS-20: left ajar: alarm, release, and locked at last",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 -@242990 -@243010 L:rcoC@300000 L:tci@302000 "
     "-@303500",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside alarm:held_open alarm:overstay / receipt:NOT_SECURED alarm:not_secured "
     "=not_secured / throw secured over:held_open over:not_secured confirmed:NOT_SECURED stop "
     "=none /"},
    {"VIS-20: it will not lock: told to throw again, released",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@7000 L:jcoC@10500 -@12100 -@15200 "
     "L:tci@16000 -@17100",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing alarm:jammed throw alarm:not_secured =not_secured / throw / "
     "over:jammed secured over:not_secured receipt:OK =watch stop /"},
    {"VIS-20: the bolt came out half way only",
     "hello@0 proof@1000 L:mcuC@1200 -@7000 L:tci@8000 -@9500",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract throw "
     "alarm:not_secured =not_secured / secured over:not_secured receipt:NOT_OPENED =watch stop "
     "=none /"},
    {"VIS-20: the lock refuses the command", "hello@0 proof@1000 -@1050 answer@1100 -@2000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract / "
     "receipt:REFUSED:lock_unreachable stop =none /"},
    {"VIS-20: nothing moved", "hello@0 proof@1000 -@6500 -@6600",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract / throw "
     "secured receipt:NOT_OPENED =watch /"},
    {"VIS-23: opened while no visit was",
     "L:rooC@0 L:rcoC@1000 L:tci@3000 hello@5000 -@5100 ack@6000 hello,2@7000 -@7100",
     "alarm:unaccounted =checking rec offer:unaccounted_opening "
     "receipt:REFUSED:unaccounted_opening stop =none / over:unaccounted =checking rec =ready "
     "offer:none /"},
    {"VIS-23: opened with a key, by nobody we know, by force",
     "L:rooK@0 L:rcoK@1000 L:tci@3000 L:roo?@5000 -@5500 ack@6000 L:rcoK@7000 L:tci@8000 "
     "L:toiF@9000 L:tci@9100 hello@9500 -@9600",
     "alarm:unaccounted / over:unaccounted alarm:forced =checking rec offer:unaccounted_opening "
     "receipt:REFUSED:unaccounted_opening stop =none /"},
    {"VIS-23: openings that nobody was told of; the count went down",
     "L:tci+5@0 -@100 ack@200 boot:2@1000 -@1100",
     "alarm:unaccounted / over:unaccounted alarm:unaccounted /"},
    {"VIS-23: a class B adapter begins to count anew",
     "class:B@0 L:tca+5@100 boot:2@1000 L:tca+1@2000 -@2100", "/"},
    {"VIS-23: a visit's own two movements, told one by one or both at once",
     "hello@0 proof@1000 L:rciC*1@1200 L:roo@3000 L:rco@12000 L:tci*1@14000 -@80000 hello,2@80001 "
     "proof,2@81000 L:rooC@81200 L:tci*2@84000 -@150000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured receipt:OK =watch stop =none / =checking rec =ready "
     "offer:none =recording intent opening =looking =opening retract =inside =closing secured "
     "receipt:OK =watch stop =none /"},
    {"VIS-23: and one pair more that was never told",
     "hello@0 proof@1000 L:rciC*1@1200 L:roo@3000 L:rco@12000 L:tci*3@14000 -@80000 hello,2@80001 "
     "-@80100",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing alarm:unaccounted secured receipt:OK =watch stop =none / "
     "=checking "
     "rec offer:unaccounted_opening receipt:REFUSED:unaccounted_opening stop =none /"},
    {"VIS-23: back and out again, and never opened",
     "L:tci?*2@0 hello@100 -@200 ack@300 hello,2@400 -@500",
     "alarm:unaccounted =checking rec offer:unaccounted_opening "
     "receipt:REFUSED:unaccounted_opening stop =none / over:unaccounted =checking rec =ready "
     "offer:none /"},
    {"VIS-23: by a command that was not ours", "L:rciC*1@0 L:tci*1@900 -@1000",
     "alarm:unaccounted /"},
    {"VIS-23: a hand at handle and key is named, once",
     "L:rciI*1@0 L:tci*1@900 L:tciK*2@2000 -@3000 L:tciK*4@4000 -@4100", "/ alarm:unaccounted /"},
    {"VIS-23: a lock that lost its power may count one that nobody saw",
     "boot:2@0 L:tci?*1@0 boot:3@1000 L:tci*2@1000 -@1100", "alarm:unaccounted /"},
    {"VIS-23: fewer than before", "L:tciK*2@0 L:tciK*4294967295@100 -@200", "alarm:unaccounted /"},
    {"VIS-23: a class B lock's count is its bridge's", "class:B@0 L:tca?*5@100 -@200", "/"},
    {"VIS-26: the household ends it: before, during",
     "hello@0 -@500 end@600 hello,2@1000 proof,2@2000 L:rcoC@2200 end@2300 L:tci@3500 -@5000",
     "=checking rec =ready offer:none / offer:ended_by_household "
     "receipt:REFUSED:ended_by_household stop =none =checking rec =ready offer:none =recording "
     "intent opening =looking =opening retract =unlocked throw secured receipt:NOT_OPENED =watch "
     "stop =none /"},
    {"VIS-26: and while the door is open",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 end@4000 L:rcoC@5000 L:tci@7000 -@8500",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing secured receipt:OK =watch stop /"},
    {"VIS-9: class B, an honest delivery",
     "class:B@0 hello@100 proof@1000 L:rcaC@1200 L:roaC@3000 L:rcaC@12000 L:tca@13000 -@16000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing throw secured receipt:OK =watch stop /"},
    {"VIS-9: class B, nobody came, told to lock at the end of the lease",
     "class:B@0 hello@100 proof@1000 L:rcaC@1200 -@16200 L:tca@17500 -@20000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked throw / secured receipt:NOT_OPENED =watch stop =none /"},
    {"VIS-20: overstay",
     "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@50000 L:rooC@51000 L:rcoC@100000 "
     "L:rooC@101000 L:rcoC@150000 L:rooC@151000 L:rcoC@200000 L:rooC@201000 -@241000 L:rcoC@242000 "
     "L:tci@243800 -@245000 ack@246000",
     "=checking rec =ready offer:none =recording intent opening =looking =opening retract "
     "=unlocked =inside =closing =inside =closing =inside =closing =inside =closing =inside "
     "alarm:overstay / =closing secured receipt:OK =watch stop / over:overstay"},
    {"VIS-25: the slide comes too late", "hello@0 -@60000 -@60100 proof@60200 -@60300",
     "=checking rec =ready offer:none / offer:too_slow receipt:REFUSED:too_slow stop =none / /"},
    {"VIS-25: the door is opened while they wait", "hello@0 -@500 L:rciI@600 L:roiI@800 -@900",
     "=checking rec =ready offer:none / egress offer:door_not_closed "
     "receipt:REFUSED:door_not_closed stop =none /"},
};

static void every_row(void **state)
{
    (void)state;
    int bad = 0;
    uint32_t reached = 0;
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        static struct rig r;
        rig_init(&r, NULL);
        rig_play(&r, rows[i].script);
        reached |= r.reached;
        if (strcmp(r.trace, rows[i].want) != 0) {
            bad++;
            print_message("%s\n  script %s\n  want   %s\n  got    %s\n", rows[i].name,
                          rows[i].script, rows[i].want, r.trace);
        }
    }
    assert_int_equal(bad, 0);
    assert_int_equal(reached, (1u << DW_VISIT_STATE_COUNT) - 1);
}

#define BIT(check) (UINT64_C(1) << DW_CHECK_##check)
static const char *receipt_of(const struct rig *r)
{
    const char *at = strstr(r->trace, "receipt:");
    return at ? at : "";
}

/* VIS-2: each check of the shell that is missing, or has failed, has its own refusal, in order. */
static void checks_of_the_shell(void **state)
{
    (void)state;
    static const enum dw_check order[] = {
        DW_CHECK_HOME,      DW_CHECK_DOOR,   DW_CHECK_JOB,         DW_CHECK_ASSIGNED,
        DW_CHECK_SCREENING, DW_CHECK_PARCEL, DW_CHECK_PARCEL_USED, DW_CHECK_PERMISSION,
        DW_CHECK_EARLY,     DW_CHECK_LATE,   DW_CHECK_CLOCK};
    uint64_t all = 0;
    for (size_t i = 0; i < DW_ARRAY_COUNT(order); i++)
        all |= UINT64_C(1) << order[i];
    for (size_t i = 0; i < DW_ARRAY_COUNT(order); i++) {
        for (int how = 0; how < 4; how++) {
            static struct rig r;
            rig_init(&r, NULL);
            struct dw_event ev = rig_hello(1);
            uint64_t bit = UINT64_C(1) << order[i];
            ev.passed = all;
            switch (how) {
            case 0: ev.passed &= ~bit; break;                 /* nobody judged it */
            case 1: ev.failed = bit; break;                   /* failed beats passed */
            case 2: ev.passed &= bit - 1; break;              /* the first missing is named */
            default: ev.failed = ~(bit - 1) & ~BIT(LOCATION); /* the first failed is named */
            }
            rig_feed(&r, ev);
            rig_play(&r, "proof@100 -@4000");
            char want[64];
            snprintf(want, sizeof want, "receipt:REFUSED:%s ", dw_check_code(order[i]));
            assert_memory_equal(receipt_of(&r), want, strlen(want));
            assert_int_equal(r.retracts, 0);
            assert_int_equal(r.count[DW_FX_RECORD_START], 0);
        }
    }
    static struct rig r;
    rig_init(&r, NULL);
    struct dw_event ev = rig_hello(1);
    ev.passed = BIT(HOME); /* the door could not be judged, because there is no such job */
    ev.failed = BIT(JOB);
    rig_feed(&r, ev);
    assert_non_null(strstr(r.trace, "receipt:REFUSED:no_such_job "));
    rig_init(&r, NULL);
    ev = rig_hello(1);
    ev.passed = all; /* these and no more are asked of the shell */
    rig_feed(&r, ev);
    rig_play(&r, "proof@1000 -@1100");
    assert_int_equal(r.retracts, 1);
}

/* VIS-2: location may refuse, and permits nothing. */
static void location(void **state)
{
    (void)state;
    static struct rig r;
    rig_init(&r, NULL);
    struct dw_event ev = rig_hello(1);
    ev.failed = BIT(LOCATION);
    rig_feed(&r, ev);
    assert_non_null(strstr(r.trace, "receipt:REFUSED:location "));
    rig_init(&r, NULL);
    ev = rig_hello(1);
    ev.passed = BIT(LOCATION);
    rig_feed(&r, ev);
    assert_non_null(strstr(r.trace, "receipt:REFUSED:wrong_home "));
    rig_init(&r, NULL);
    ev = rig_hello(1);
    ev.passed &= ~BIT(LOCATION); /* unknown location hinders nobody */
    rig_feed(&r, ev);
    rig_play(&r, "proof@1000 -@1100");
    assert_int_equal(r.retracts, 1);
}

/* VIS-9, VIS-25 [I21, I22]: what is sensed, each with its own refusal; the same before the slide
 * and, for what changes meanwhile, after it. */
static void checks_of_the_equipment(void **state)
{
    (void)state;
    static const struct {
        const char *change, *code, *after; /* NULL: the same */
    } rows_[] = {
        {"lk-@0 lost@0", "lock_unreachable"},
        {"lk-@0 -@4000", "lock_unreachable"},
        {"class:C@0", "lock_class"},
        {"class:C@0 relock:0@0", "lock_class"},
        {"class:B@0 relock:0@0", "lock_relock"},
        {"relock:0@0", "lock_relock"},
        {"L:rooK@0", "door_not_closed", NULL},
        {"L:tui@0", "door_not_closed"},
        {"L:rciI@0", "bolt_not_thrown"},
        {"L:uci@0", "bolt_not_thrown"},
        {"L:mci@0", "bolt_not_thrown"},
        {"L:jci@0", "bolt_not_thrown"},
        {"L:tco@0", "bolt_not_thrown"},
        {"L:tcu@0", "bolt_not_thrown"},
        {"L:tca@0", "bolt_not_thrown"}, /* class A has a strike sensor */
        {"throws:2@0", "lock_battery"},
        {"throws:0@0", "lock_battery"},
        {"L:tci+1@0", "unaccounted_opening", "door_not_closed"},
        {"restarted@0 lk-@1 lk+@2 L:tco@2", "bolt_not_thrown"},
        {"k:0@0 -@100", "camera_class"},
        {"k:1@0 -@100", "camera_class"}, /* this grant wants K2 */
        {"cam-@0", "camera_not_live"},
        {"cam-@0 -@3000", "camera_not_live"},
        {"frozen:1501@0 -@100", "camera_frozen"},
        {"decoded:4001@0 -@1900", "camera_frozen"},
        {"covered:1@0 -@1100", "camera_covered"},
        {"replay@0", "camera_tampered"},
        {"broken@0", "camera_tampered"},
        {"fault@0", "camera_tampered"},
        {"tamper@0", "camera_tampered"},
        {"disk:0@0", "disk_full"},
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows_); i++) {
        static struct rig r;
        char want[64];
        for (int late = 0; late < 2; late++) {
            snprintf(want, sizeof want, "receipt:REFUSED:%s ",
                     late && rows_[i].after ? rows_[i].after : rows_[i].code);
            rig_init(&r, NULL);
            struct dw_event ev = rig_hello(1);
            ev.camera_class = DW_CAMERA_K2;
            if (late) /* it happens after the offer */
                rig_feed(&r, ev);
            if (late)
                rig_until(&r, RIG_START + 500);
            if (!late) {
                rig_play(&r, rows_[i].change);
                rig_feed(&r, ev);
            } else { /* the same words, 500 ms later */
                char shifted[256] = "", *to = shifted;
                for (const char *from = rows_[i].change; *from;) {
                    char word[64];
                    unsigned long ms;
                    int used = 0;
                    assert_int_equal(sscanf(from, "%63[^@]@%lu%n", word, &ms, &used), 2);
                    to += snprintf(to, (size_t)(shifted + sizeof shifted - to), "%s@%lu", word,
                                   ms + 500);
                    from += used;
                }
                rig_play(&r, shifted);
            }
            rig_feed(&r, (struct dw_event){.type = DW_EV_PROOF, .visit = 1});
            rig_until(&r, r.now.ms + 9000);
            if (strncmp(receipt_of(&r), want, strlen(want)) != 0)
                fail_msg("%s (%s): want %s got %s", rows_[i].change, late ? "after" : "before",
                         want, r.trace);
            assert_int_equal(r.retracts, 0);
        }
    }
}

/* Protocol 2b: lock class by camera class; K3 cameras come later and are held to their class. */
static void equipment_classes(void **state)
{
    (void)state;
    static const struct {
        const char *lock;
        uint32_t camera, asked;
        const char *want; /* NULL: a visit */
    } cells[] = {
        {"class:A@0", DW_CAMERA_K0, DW_CAMERA_K0, "camera_class"},
        {"class:A@0", DW_CAMERA_K1, DW_CAMERA_K0, NULL},
        {"class:A@0", DW_CAMERA_K1, DW_CAMERA_K2, "camera_class"},
        {"class:A@0", DW_CAMERA_K2, DW_CAMERA_K2, NULL},
        {"class:A@0", DW_CAMERA_K2, DW_CAMERA_K3, "camera_class"},
        {"class:A@0", DW_CAMERA_K3, DW_CAMERA_K3, NULL},
        {"class:B@0", DW_CAMERA_K0, DW_CAMERA_K0, "camera_class"},
        {"class:B@0", DW_CAMERA_K1, DW_CAMERA_K1, NULL},
        {"class:B@0", DW_CAMERA_K3, DW_CAMERA_K3, NULL},
        {"class:C@0", DW_CAMERA_K0, DW_CAMERA_K0, "lock_class"},
        {"class:C@0", DW_CAMERA_K1, DW_CAMERA_K1, "lock_class"},
        {"class:C@0", DW_CAMERA_K2, DW_CAMERA_K2, "lock_class"},
        {"class:C@0", DW_CAMERA_K3, DW_CAMERA_K3, "lock_class"},
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(cells); i++) {
        static struct rig r;
        rig_init(&r, NULL);
        r.frame.camera_class = cells[i].camera;
        rig_play(&r, cells[i].lock);
        rig_until(&r, RIG_START + 100);
        struct dw_event ev = rig_hello(1);
        ev.camera_class = cells[i].asked;
        rig_feed(&r, ev);
        rig_play(&r, "proof@1000 -@1500");
        assert_int_equal(r.retracts, cells[i].want == NULL);
        if (cells[i].want)
            assert_non_null(strstr(receipt_of(&r), cells[i].want));
    }
    /* A camera that sends but signs nothing (K0): said at once, and named so. */
    static struct rig r;
    rig_init(&r, NULL);
    r.cam = false;
    dw_live_init(&r.k.live);
    rig_play(&r, "unproven@0 hello@100 unproven@200 -@220");
    assert_non_null(strstr(r.trace, "receipt:REFUSED:camera_class "));
    /* And one that never sent is not "of the wrong class". */
    rig_init(&r, NULL);
    r.cam = false;
    dw_live_init(&r.k.live);
    rig_play(&r, "hello@100 -@4000");
    assert_non_null(strstr(r.trace, "receipt:REFUSED:camera_not_live "));
}

/* VIS-4, VIS-15 [I1, I6, I9]: what the one effect that withdraws the bolt carries. */
static void the_retract(void **state)
{
    (void)state;
    static struct rig r;
    rig_init(&r, NULL);
    struct dw_event ev = rig_hello(1);
    ev.dwell_ms = 20000; /* a grant may tighten T_dwell, not loosen it */
    rig_feed(&r, ev);
    rig_play(&r, "cam-@100 proof@1000 -@1012");
    assert_int_equal(r.k.state, DW_VISIT_LOOKING);
    uint64_t asked = r.k.live.nonce_at[r.k.camera_nonce].ms;
    assert_true(asked >= RIG_START + 1000); /* after the request */
    rig_play(&r, "frame@1900 -@1901");
    assert_int_equal(r.retracts, 1);
    assert_int_equal(r.k.dwell_ms, 20000);
    assert_int_equal(r.retract_at.ms, RIG_START + 1900);
    assert_int_equal(r.retract_expires.ms, asked + 1000); /* T_cam after the nonce */
    rig_init(&r, NULL);
    ev = rig_hello(1);
    ev.dwell_ms = 100000;
    rig_feed(&r, ev);
    rig_play(&r, "proof@1000 -@1100");
    assert_int_equal(r.k.dwell_ms, 60000);
    assert_int_equal(r.retract_expires.ms, r.retract_at.ms + 800); /* T_expire */
    assert_int_equal(r.retracts, 1);
}

/* VIS-4 [I10]: a proof does not wait for ever, whatever the bolt waits for. */
static void a_proof_grows_old(void **state)
{
    (void)state;
    static struct rig r;
    for (uint32_t late = 0; late < 2; late++) {
        rig_init(&r, NULL);
        r.k.params.t_proof_ms = 5000;
        /* A screen that was lent SECURED just before, and a camera that takes its time. */
        rig_play(&r, "hello@0 ask@900 proof@1000 -@5890 cam-@5900");
        rig_play(&r, late ? "frame@6100 -@6200" : "frame@5990 -@6200");
        assert_int_equal(r.retracts, !late);
        assert_int_equal(strstr(r.trace, "receipt:REFUSED:too_slow") != NULL, late);
    }
}

/* VIS-23 [I37]: what the lock counted while no hub was there, and what nobody has looked at yet. */
static void counts_outlive_a_restart(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        bool is_unaccounted, wants_alarm;
    } rows_[] = {
        {"L:tci?@0", false, false},
        {"L:tciK*2@0", false, false},
        {"L:tciI*2+1@0", false, false},
        {"L:tci?*2@0", false, true},
        {"L:tciC*2@0", false, true},
        {"L:tciC+1@0", false, true},
        {"L:tciK*4@0", false, true},
        {"L:tci?@0", true, true},
        {"restarted@0 L:tciC*2@0", false, false},
        {"restarted@0 L:rcoC*1+1@0 L:tci*1@9", false, false},
        {"restarted@0 L:rooC*1@0 L:rco@1 L:roo@2 L:rco@3 L:tci*1@9", false, true},
        {"restarted@0 L:tciC*4@0", false, true},
        {"restarted@0 L:tciC*2+1@0 L:tci+1@9", false, true},
        {"restarted@0 L:tciC*2@0 -@9 L:tciC*2@10", false, true},
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows_); i++) {
        static struct rig r;
        rig_init(&r, NULL);
        struct dw_lock_word was = r.k.lock;
        dw_interlock_init(&r.k, &r.params, r.now);
        dw_interlock_resume(&r.k, &was, rows_[i].is_unaccounted);
        rig_feed(&r, (struct dw_event){.type = DW_EV_DISK, .value = 1});
        r.queued = 0; /* the first word that it hears is that of the row */
        rig_play(&r, rows_[i].words);
        rig_play(&r, "-@6000 hello@6001 -@6500");
        bool has_alarm = strstr(r.trace, "alarm:unaccounted") != NULL;
        bool is_refused = strstr(r.trace, "REFUSED:unaccounted_opening") != NULL;
        if (has_alarm != rows_[i].wants_alarm || is_refused != rows_[i].wants_alarm)
            fail_msg("%s: %s", rows_[i].words, r.trace);
    }
}

/* VIS-6 [I30]: a hub that has just started waits as if it had lent SECURED a moment ago. */
static void leases_outlive_a_restart(void **state)
{
    (void)state;
    static struct rig r;
    rig_init(&r, NULL);
    dw_mono restart = r.now;
    dw_interlock_init(&r.k, &r.params, r.now);
    rig_feed(&r, (struct dw_event){.type = DW_EV_DISK, .value = 1});
    rig_play(&r, "-@1000 hello@1000 proof@2000 -@10000");
    assert_int_equal(r.retracts, 1);
    assert_in_range(r.retract_at.ms, restart.ms + 5000, restart.ms + 5200);
}

/* VIS-24 [I32]: nothing is known to begin with, and what was known grows old. */
static void unknown_is_a_value(void **state)
{
    (void)state;
    static struct dw_interlock k;
    struct dw_params p;
    dw_params_default(&p);
    dw_mono now = {5000};
    dw_interlock_init(&k, &p, now);
    assert_int_equal(dw_interlock_bolt(&k, now), DW_BOLT_UNKNOWN);
    assert_int_equal(dw_interlock_contact(&k, now), DW_CONTACT_UNKNOWN);
    assert_false(dw_interlock_is_secured(&k, now));
    assert_int_equal(dw_interlock_lock_age_ms(&k, now), UINT32_MAX);
    assert_int_equal(dw_live_state(&k.live, &p, now), DW_CAMERA_UNKNOWN);
    uint64_t may = dw_interlock_equipment(&k, 0, now);
    assert_int_equal(may & (BIT(LOCK_CLASS) | BIT(LOCK_REACHABLE) | BIT(LOCK_RELOCK) |
                            BIT(DOOR_CLOSED) | BIT(BOLT_THROWN) | BIT(BATTERY) | BIT(CAMERA_CLASS) |
                            BIT(CAMERA_LIVE) | BIT(DISK)),
                     0);

    /* A struct of zeros, as a forgotten init would leave it, opens nothing either. */
    static struct rig r;
    rig_init(&r, NULL);
    memset(&r.k, 0, sizeof r.k);
    r.k.params = r.params;
    r.k.now = r.now;
    assert_false(dw_interlock_is_secured(&r.k, r.now));
    r.lk = r.cam = false;
    rig_play(&r, "hello@100 proof@200 recorded@300 proof@4000 -@9000");
    assert_int_equal(r.retracts, 0);
    assert_non_null(strstr(r.trace, "receipt:REFUSED"));

    /* All words a lock can say: only one is "locked". */
    for (uint32_t bolt = 0; bolt < DW_BOLT_COUNT; bolt++) {
        for (uint32_t contact = 0; contact < DW_CONTACT_COUNT; contact++) {
            for (uint32_t strike = 0; strike < DW_STRIKE_COUNT; strike++) {
                for (uint32_t cls = 0; cls < DW_LOCK_CLASS_COUNT; cls++) {
                    rig_init(&r, NULL);
                    r.word.bolt = bolt;
                    r.word.contact = contact;
                    r.word.strike = strike;
                    r.word.lock_class = cls;
                    rig_until(&r, RIG_START + 2500);
                    bool want = bolt == DW_BOLT_THROWN && contact == DW_CONTACT_CLOSED &&
                                (strike == DW_STRIKE_IN ||
                                 (strike == DW_STRIKE_ABSENT && cls != DW_LOCK_A));
                    assert_int_equal(dw_interlock_is_secured(&r.k, r.now), want);
                    assert_int_equal(dw_interlock_bolt(&r.k, r.now), bolt);
                    assert_int_equal(dw_interlock_contact(&r.k, r.now), contact);
                    uint64_t at = r.k.lock_at.ms;
                    uint64_t stale = cls == DW_LOCK_A ? 3000 : 65000;
                    dw_mono old = {at + stale}, older = {at + stale + 1};
                    assert_int_equal(dw_interlock_bolt(&r.k, old), bolt);
                    assert_int_equal(dw_interlock_bolt(&r.k, older), DW_BOLT_UNKNOWN);
                    assert_int_equal(dw_interlock_contact(&r.k, older), DW_CONTACT_UNKNOWN);
                    assert_false(dw_interlock_is_secured(&r.k, older));
                    rig_feed(&r, (struct dw_event){.type = DW_EV_LOCK_LOST});
                    assert_int_equal(dw_interlock_bolt(&r.k, r.now), DW_BOLT_UNKNOWN);
                    assert_false(dw_interlock_is_secured(&r.k, r.now));
                }
            }
        }
    }
}

/* VIS-12 [I29]: bytes that a link held back are of when they were asked for. */
static void late_words_are_old(void **state)
{
    (void)state;
    static struct rig r;
    rig_init(&r, NULL);
    rig_play(&r, "late:4000@0 -@20000");
    assert_true(dw_interlock_lock_age_ms(&r.k, r.now) <= 1000); /* something arrives all the time */
    assert_true(dw_interlock_is_secured(&r.k, r.now) == (r.now.ms - r.k.lock_proven.ms <= 5000));
    rig_play(&r, "late:9000@20000 -@60000");
    assert_true(dw_interlock_lock_age_ms(&r.k, r.now) <= 1000);
    assert_false(dw_interlock_is_secured(&r.k, r.now));
    rig_play(&r, "ask:0@60001");
    assert_non_null(strstr(r.trace, "show:0:0"));
}

/* VIS-11 [I23, I24]: degraded within T_loss + 0.5 s of the last frame, thrown and told in that
 * step. */
static void degraded_in_time(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        uint32_t from, to;
    } parts[] = {
        {"hello@0 proof@1000 L:rcoC@1100", 1100, 3000},
        {"hello@0 proof@1000 L:rcoC@1100 L:rooC@3000", 3000, 6000},
        {"hello@0 proof@1000 L:rcoC@1100 L:rooC@3000 L:rcoC@6000", 6000, 20000},
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(parts); i++) {
        for (uint32_t ms = parts[i].from; ms < parts[i].to; ms += 97) {
            static struct rig r;
            char script[128];
            rig_init(&r, NULL);
            snprintf(script, sizeof script, "%s cam-@%u", parts[i].before, ms);
            rig_play(&r, script);
            uint64_t last = r.k.live.captured.ms;
            r.first_throw = DW_NEVER;
            rig_until(&r, r.now.ms + 3000);
            assert_in_range(r.degraded_at.ms, last + 2001, last + 2500);
            assert_int_equal(r.first_alarm[DW_ALARM_CAMERA_BLIND].ms, r.degraded_at.ms);
            if (r.word.contact == DW_CONTACT_CLOSED)
                assert_true(r.first_throw.ms <= r.degraded_at.ms);
            else
                assert_int_equal(r.first_throw.ms, UINT64_MAX);
        }
    }
}

/* VIS-20: a bolt that will not go in releases the visitor after T_release, once. */
static void released_from_a_stuck_door(void **state)
{
    (void)state;
    struct dw_params p;
    dw_params_default(&p);
    p.t_release_ms = 5000;
    static struct rig r;
    rig_init(&r, &p);
    rig_play(&r, "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@7000 L:jcoC@10500 -@12100 "
                 "-@16900 -@17100 -@30000 L:tci@30500 -@32500");
    const char *stuck = strstr(r.trace, "=not_secured");
    assert_non_null(stuck);
    assert_string_equal(stuck,
                        "=not_secured / throw / receipt:NOT_SECURED / throw throw throw throw"
                        " / throw over:jammed secured over:not_secured confirmed:NOT_SECURED stop"
                        " =none /");
}

/* VIS-27: a new camera nonce at least every t_hb, in every state; but none while the frame that
 * answers the one of this opening is awaited, so that it cannot be pushed out. */
static void camera_is_asked(void **state)
{
    (void)state;
    static struct rig r;
    rig_init(&r, NULL);
    rig_play(&r, "-@10000");
    assert_in_range(r.count[DW_FX_ASK_CAMERA], 19, 21);
    rig_play(&r,
             "hello@10000 proof@11000 L:rcoC@11200 L:rooC@13000 L:rcoC@20000 L:tci@22000 -@30000");
    assert_in_range(r.count[DW_FX_ASK_CAMERA], 58, 64);
}

/* VIS-26 [I33]: no command changes what is shown. */
static void commands_show_nothing(void **state)
{
    (void)state;
    static struct rig r;
    for (int open = 0; open < 2; open++) {
        rig_init(&r, NULL);
        rig_play(&r, open ? "L:rooK@0 -@500" : "-@500");
        enum dw_bolt bolt = dw_interlock_bolt(&r.k, r.now);
        bool secured = dw_interlock_is_secured(&r.k, r.now);
        r.lk = false;
        rig_play(&r, "ownerlock@600 end@700 ack@800");
        assert_int_equal(dw_interlock_bolt(&r.k, r.now), bolt);
        assert_int_equal(dw_interlock_is_secured(&r.k, r.now), secured);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),
        cmocka_unit_test(checks_of_the_shell),
        cmocka_unit_test(location),
        cmocka_unit_test(checks_of_the_equipment),
        cmocka_unit_test(equipment_classes),
        cmocka_unit_test(the_retract),
        cmocka_unit_test(a_proof_grows_old),
        cmocka_unit_test(counts_outlive_a_restart),
        cmocka_unit_test(leases_outlive_a_restart),
        cmocka_unit_test(unknown_is_a_value),
        cmocka_unit_test(late_words_are_old),
        cmocka_unit_test(degraded_in_time),
        cmocka_unit_test(released_from_a_stuck_door),
        cmocka_unit_test(camera_is_asked),
        cmocka_unit_test(commands_show_nothing),
    };
    return cmocka_run_group_tests_name("core_visit", tests, NULL, NULL);
}
