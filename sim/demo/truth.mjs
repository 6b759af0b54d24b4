// Whoever says something about the door or the picture is held against what is true. A reader that went on
// saying "locked", or "live", after it was no longer so is listed as a lie.
const SLACK_MS = 300;    // a word may still be on its way
const STANDS_MS = 250;   // and what is true is itself looked at a moment late (a simulated house is polled)
const PICTURE_MS = 2500; // T_loss and the slack

export class Truth {
    constructor(street) {
        this.s = street;
        this.lies = [];
        this.standing = new Map();
        this.sayings = [];
        this.unlockedSince = null;
        this.blindSince = null; // set by a drill: from when on no picture is true
        this.timer = setInterval(() => this.look(), 10);
    }
    pictureEnds() { this.blindSince = performance.now(); }
    pictureBack() { this.blindSince = null; }
    lie(reader, said, truth) {
        const key = `${reader} said ${said}`;
        if (!this.lies.some((l) => l.key === key))
            this.lies.push({ key, reader, said, truth });
    }
    look() {
        if (this.s.world.isOver) { // the street was stopped in the middle
            clearInterval(this.timer);
            return;
        }
        const now = performance.now();
        if (this.s.world.isLocked()) {
            this.unlockedSince = null;
            this.sayings = []; // it was true when it was said; an opening after that is another story
        } else {
            this.unlockedSince ??= now;
        }
        const open = this.unlockedSince !== null && now - this.unlockedSince > SLACK_MS;
        const w = this.s.watch;
        this.hold("screen", "secured", open && w?.saysSecured(), now);
        this.hold("hub state", "secured", open && w?.state?.secured, now);
        for (const t of this.sayings)
            this.hold(t.reader, t.outcome, open, now);
        if (this.blindSince !== null && now - this.blindSince > PICTURE_MS && w?.state?.camera === "live")
            this.lie("hub state", "camera live", "no true picture");
    }
    // False only if it stands: the same false word for a quarter of a second.
    hold(reader, said, isFalse, now) {
        const key = `${reader} said ${said}`;
        if (!isFalse)
            this.standing.delete(key);
        else if (!this.standing.has(key))
            this.standing.set(key, now);
        else if (now - this.standing.get(key) > STANDS_MS)
            this.lie(reader, said, "not locked");
    }
    // A courier's phone or an agency's board that says "done".
    told(reader, visit) {
        if (["OK", "SECURED_WITH_GAP", "SECURED_TAMPERED", "NOT_OPENED"].includes(visit.outcome) &&
            !this.s.world.isLocked())
            this.sayings = [{ reader, outcome: visit.outcome }];
    }
    stop() {
        clearInterval(this.timer);
        return this.lies.map(({ reader, said, truth }) => ({ reader, said, truth }));
    }
}
