// @ts-check
/** Presence on the review page: leases are renewed while the annotator is active, and released otherwise. */

import { Refused } from "../shared/api.js";
import { bindKeys } from "../shared/keys.js";
import { button, printKeys } from "../shared/made.js";
import { renew } from "../shared/questions.js";

const ACTIVE = 120_000; // [ms] since a person did something, for their questions to be kept for them

export class Presence {
  /** @param {import("./review.js").Review} review */
  constructor(review) {
    this.review = review;
    this.hidden = 0; // when the page was hidden [ms]; 0 while it is seen
    this.active = performance.now();
    this.away = false;
  }

  /** Renew the leases of an active annotator; release them otherwise. */
  async watch() {
    const now = performance.now();
    const works = (!document.hidden && now - this.active < ACTIVE) || this.review.shown?.question.layout === "show";
    for (const stage of [...this.review.stages]) {
      const left = stage.due - now;
      if (left <= 0) return this.leaveReview();
      if (!works || left > stage.question.seconds * 500) continue;
      try {
        const seconds = await renew(stage.question.lease);
        if (seconds) stage.due = now + seconds * 1000;
        else return this.leaveReview();
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
      }
    }
  }

  /** The annotator was away for so long that the questions were assigned to others. */
  leaveReview() {
    this.away = true;
    clearTimeout(this.review.later);
    for (const stage of this.review.stages) stage.close();
    this.review.stages = [];
    this.review.clock.take([]);
    const back = () => {
      this.away = false;
      this.active = performance.now();
      this.review.shown = null;
      this.review.words.say("One moment", "The next question is on its way.");
      this.review.fill();
    };
    this.review.shown = null;
    this.review.words.say("You were away", "Your questions were assigned to others. Nothing is lost.", button("Continue", "primary big", back, "done"));
    this.review.keys?.stop();
    this.review.keys = bindKeys(this.review.page.keys, { done: (pressed) => void (pressed && back()) }, { scope: "review:away" });
    printKeys(this.review.keys.table);
  }

  seen() {
    if (document.hidden) this.hidden = performance.now();
    else if (this.hidden) {
      this.review.since += performance.now() - this.hidden;
      this.hidden = 0;
      this.review.panel?.back?.();
      this.watch();
    }
  }
}
