// @ts-check
/** Answers that were taken back on one page, for the review page to show when it asks their questions again in this tab. */

const PLACE = "review:taken-back:";

/**
 * @param {string} question
 * @param {Record<string, any>} value
 */
export function rememberTakenBack(question, value) {
  try {
    sessionStorage.setItem(`${PLACE}${question}`, JSON.stringify(value));
  } catch {
    // the question then comes without it
  }
}

/**
 * Return the answer to a question that was taken back; once.
 * @param {string} question
 * @returns {Record<string, any> | undefined}
 */
export function takenBack(question) {
  try {
    const value = sessionStorage.getItem(`${PLACE}${question}`);
    sessionStorage.removeItem(`${PLACE}${question}`);
    return value === null ? undefined : JSON.parse(value);
  } catch {
    return undefined;
  }
}
