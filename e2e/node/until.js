import assert from 'node:assert/strict';

// until waits for what happens by itself.
export async function until(what, found) {
  for (let i = 0; i < 300; i++) {
    const got = await found();
    if (got) {
      return got;
    }
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  return assert.fail(`${what} has not happened within 30 seconds`);
}
