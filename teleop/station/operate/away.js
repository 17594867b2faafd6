// @ts-check
/** Notices that the page was away: a laptop that slept, a tab that was frozen or in the background. */

const LOOK = 500; // [ms]
const LONG = 5; // [s]

/**
 * Report how long the page was away [s], once it is back and visible.
 * Uses wall-clock time: other clocks stop with the machine.
 * @param {(seconds: number) => void} back
 */
export function whenBack(back) {
  let last = Date.now();
  const look = () => {
    if (document.hidden) return;
    const away = (Date.now() - last) / 1000;
    last = Date.now();
    if (away > LONG) back(away);
  };
  setInterval(look, LOOK);
  for (const kind of ["visibilitychange", "resume"]) document.addEventListener(kind, look);
}

/** @param {number} seconds */
export const inWords = (seconds) => (seconds < 100 ? `${Math.round(seconds)} s` : seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`);
