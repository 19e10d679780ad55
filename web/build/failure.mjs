/** A failure that the user can act on: one line, and the exit code that `fer-export` uses for its kind. */
export class Failure extends Error {
  /**
   * @param {string} message One line, with the next command where there is one.
   * @param {number} exitCode 2 usage, 3 missing dependency, 4 invalid input.
   */
  constructor(message, exitCode = 4) {
    super(message);
    this.exitCode = exitCode;
  }
}
