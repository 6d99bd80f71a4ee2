// Makes the sealed box that credentials travel in (libsodium's crypto_box_seal), and asks of each field what the server
// would ask. Loaded where a page has a form of credentials; the form of the box is described in citadel/sealing.py.
import {hsalsa, xsalsa20poly1305} from "@noble/ciphers/salsa.js";
import {x25519} from "@noble/curves/ed25519.js";
import {blake2b} from "@noble/hashes/blake2.js";

const VERSION = 2;
const SIGMA = words(new TextEncoder().encode("expand 32-byte k"));

// Numbers of four bytes, the lowest first, on whatever machine.
function words(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({length: bytes.length / 4}, (_, at) => view.getUint32(at * 4, true));
}

function bytesOf(numbers) {
  const view = new DataView(new ArrayBuffer(numbers.length * 4));
  numbers.forEach((number, at) => view.setUint32(at * 4, number, true));
  return new Uint8Array(view.buffer);
}

function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
}

function toBase64(bytes) {
  return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
}

// NaCl's box: the key of the cipher is HSalsa20 of what the two have in common.
function boxKey(shared) {
  const key = new Uint32Array(8);
  hsalsa(SIGMA, words(shared), new Uint32Array(4), key);
  return bytesOf(key);
}

function sealedBox(plain, reader) {
  const {secretKey, publicKey} = x25519.keygen();
  const nonce = blake2b(joined(publicKey, reader), {dkLen: 24});
  const key = boxKey(x25519.getSharedSecret(secretKey, reader));
  const box = joined(publicKey, xsalsa20poly1305(key, nonce).encrypt(plain));
  secretKey.fill(0);
  key.fill(0);
  return box;
}

// The box in base64, for one account of one tenant. `key` is the vault's public key in base64, `account` 32 digits.
export function seal({key, tenant, account, fields}) {
  const inside = JSON.stringify({v: VERSION, tenant, account, fields});
  return toBase64(sealedBox(new TextEncoder().encode(inside), fromBase64(key)));
}

// What is wrong with a text, in the server's words; "" when nothing is. Rules are pairs of a pattern and words.
export function faultOf(rules, text) {
  const broken = rules.find(([pattern]) => !new RegExp(`^(?:${pattern})$`, "u").test(text));
  return broken ? broken[1].replaceAll("{length}", [...text].length) : "";
}
