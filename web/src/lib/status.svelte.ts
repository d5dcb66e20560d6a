// The bottom line: what is shown, and the keys that work now.
export const status = $state({ what: '', keys: '' });
