// What this browser remembers of uploads that are not at their end, so that one goes on after a reload.

const PREFIX = "omr-upload:";

/** Return what tells `file`, printed as `template` says and sent by `user`, from every other one. */
function fingerprint(user, file, template) {
  return PREFIX + JSON.stringify([user, file.name, file.size, file.lastModified, template]);
}

/**
 * Remember that the upload at `address` is of `file`.
 *
 * A browser that lets nobody store anything (a private window, a full disk) uploads all the same: only after a reload
 * such an upload begins anew.
 */
export function remember(user, file, { template, name, address }) {
  const { name: fileName, size, lastModified } = file;
  const kept = { user, fileName, size, lastModified, template, name, address, begunAt: new Date().toISOString() };
  try {
    localStorage.setItem(fingerprint(user, file, template), JSON.stringify(kept));
  } catch {
    // See above.
  }
}

/** Forget the upload at `address`. */
export function forget(address) {
  for (const [key, kept] of entries()) if (kept.address === address) localStorage.removeItem(key);
}

/** Return what is remembered of `user`, the latest first: `{fileName, size, template, name, address, begunAt, …}`. */
export function unfinishedOf(user) {
  const own = entries().map(([, kept]) => kept).filter((kept) => kept.user === user);
  return own.sort((one, other) => other.begunAt.localeCompare(one.begunAt));
}

/** Return what is remembered of `file`, whatever it is printed from; undefined when nothing is. */
export function unfinishedUpload(user, { name, size, lastModified }) {
  const isSame = (kept) => kept.fileName === name && kept.size === size && kept.lastModified === lastModified;
  return unfinishedOf(user).find(isSame);
}

function entries() {
  try {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
    return keys.map((key) => [key, JSON.parse(localStorage.getItem(key))]);
  } catch {
    return [];
  }
}
