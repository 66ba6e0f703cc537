// node verify.cjs FOLDER BUNDLE KEY: whether sigstore-js (in FOLDER/node_modules) accepts a bundle that was made with a key.
const { createPublicKey } = require("node:crypto");
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");

const [folder, bundle, key] = process.argv.slice(2);
const load = createRequire(`${folder}/node_modules/`);
const { bundleFromJSON } = load("@sigstore/bundle");
const { toSignedEntity, toTrustMaterial, Verifier } = load("@sigstore/verify");

const publicKey = createPublicKey(readFileSync(key));
const nobody = { mediaType: "", tlogs: [], ctlogs: [], certificateAuthorities: [], timestampAuthorities: [] };
const trust = toTrustMaterial(nobody, () => ({ publicKey, validFor: () => true }));
const verifier = new Verifier(trust, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 });
try {
  verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(readFileSync(bundle, "utf8")))));
  console.log("accepted");
} catch (error) {
  console.log(`${error.code ?? error.name}: ${error.message}`);
}
