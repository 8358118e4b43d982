// The code of an authenticator (RFC 6238: SHA-1, 30 seconds, six digits).
import { createHmac } from "node:crypto";

export function totp(secret, at = Date.now()) {
  let bits = "";
  for (const letter of secret) bits += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0");
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const mac = createHmac("sha1", key).update(counter).digest();
  const from = mac.at(-1) & 15;
  return ((mac.readUInt32BE(from) & 0x7fffffff) % 1_000_000).toString().padStart(6, "0");
}
