/** Sent as secrets by tests. `.ci/run` looks for every text of this file in all that the whole run printed. */
export const PARAMETER_CANARY = 'canary-parameter-7f3d'
export const PASSWORD_CANARY = 'canary-5f1c-pässword'
