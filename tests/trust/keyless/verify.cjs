// node verify.cjs FOLDER BUNDLE ROOT IDENTITY ISSUER: what sigstore-js (in FOLDER/node_modules) says of a keyless bundle.
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");

const [folder, bundle, root, identity, issuer] = process.argv.slice(2);
const load = createRequire(`${folder}/node_modules/`);
const { bundleFromJSON } = load("@sigstore/bundle");
const { TrustedRoot } = load("@sigstore/protobuf-specs");
const { toSignedEntity, toTrustMaterial, Verifier } = load("@sigstore/verify");
const read = (name) => JSON.parse(readFileSync(name, "utf8"));

const trust = toTrustMaterial(TrustedRoot.fromJSON(read(root)));
const verifier = new Verifier(trust, { tlogThreshold: 1, ctlogThreshold: 1, timestampThreshold: 1 });
try {
  const policy = { subjectAlternativeName: identity, extensions: { issuer } };
  verifier.verify(toSignedEntity(bundleFromJSON(read(bundle))), policy);
  console.log("accepted");
} catch (error) {
  console.log(`${error.code ?? error.name}: ${error.message}`);
}
