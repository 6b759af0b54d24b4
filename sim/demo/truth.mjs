// Whoever says something about the door or the picture is held against what is true. A reader that went on
// saying "locked", or "live", after it was no longer so is listed as a lie.
const SLACK_MS = 300;   // a word may still be on its way
const PICTURE_MS = 2500; // T_loss and the slack

export class Truth {
    constructor(street) {
        this.s = street;
        this.lies = [];
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
        const now = performance.now();
        if (this.s.world.isLocked())
            this.unlockedSince = null;
        else
            this.unlockedSince ??= now;
        const open = this.unlockedSince !== null && now - this.unlockedSince > SLACK_MS;
        const w = this.s.watch;
        if (open && w?.saysSecured())
            this.lie("screen", "secured", "not locked");
        if (open && w?.state?.secured)
            this.lie("hub state", "secured", "not locked");
        if (this.blindSince !== null && now - this.blindSince > PICTURE_MS && w?.state?.camera === "live")
            this.lie("hub state", "camera live", "no true picture");
    }
    // A courier's phone or an agency's board that says "done".
    told(reader, visit) {
        const done = ["OK", "SECURED_WITH_GAP", "SECURED_TAMPERED", "NOT_OPENED"].includes(visit.outcome);
        if (done && !this.s.world.isLocked() && this.unlockedSince !== null &&
            performance.now() - this.unlockedSince > SLACK_MS)
            this.lie(reader, visit.outcome, "not locked");
    }
    stop() {
        clearInterval(this.timer);
        return this.lies.map(({ reader, said, truth }) => ({ reader, said, truth }));
    }
}
