// What the official client of nilDB makes of our nodes, our tokens and our documents. A question comes as JSON on stdin,
// the answer goes as JSON to stdout; whatever the client refuses ends the process with its own words.

import { readFileSync } from "node:fs";
import { Signer, Validator } from "@nillion/nuc";
import { SecretVaultBuilderClient } from "@nillion/secretvaults";

const SCHEMA = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "notes",
  type: "array",
  items: {
    type: "object",
    properties: {
      _id: { type: "string", format: "uuid" },
      label: { type: "string" },
      note: { type: "object", properties: { "%share": { type: "string" } }, required: ["%share"] },
    },
    required: ["_id", "label", "note"],
    additionalProperties: false,
  },
};

const flat = (failure) =>
  Array.isArray(failure) ? failure.map((one) => one.error) : { message: failure.message, cause: failure.cause };

async function builder({ urls, secret }, blindfold) {
  const signer = secret ? Signer.fromPrivateKey(secret) : Signer.generate();
  return SecretVaultBuilderClient.from({ signer, dbs: urls, blindfold });
}

const QUESTIONS = {
  // A builder of its own writes a document in three shares and reads it back, whole.
  async roundTrip({ urls, collection, document, note }) {
    const client = await builder({ urls }, { operation: "store" });
    const did = await client.getId();
    await client.register({ did, name: "official" });
    await client.createCollection({ _id: collection, type: "standard", name: "notes", schema: SCHEMA });
    const data = [{ _id: document, label: "one", note: { "%allot": note } }];
    const created = await client.createStandardData({ collection, data });
    const found = await client.findData({ collection, filter: { label: "one" } });
    const profile = await client.readProfile();
    const deleted = await client.deleteData({ collection, filter: { label: "one" } });
    const left = await client.findData({ collection, filter: {} });
    return {
      did,
      created: Object.values(created).map((one) => one.data.created),
      found: (found.data ?? found).map(({ _id, label, note }) => ({ _id, label, note })),
      collections: profile.data.collections,
      deleted: Object.values(deleted).map((one) => one.data.deletedCount),
      left: (left.data ?? left).length,
    };
  },

  // Our own builder, by its key: the documents that the provider wrote, as the official client reads them.
  async read({ urls, secret, collection }) {
    const clients = await Promise.all(urls.map((url) => builder({ urls: [url], secret })));
    const found = await Promise.all(clients.map((client) => client.findData({ collection, filter: {} })));
    return { did: await clients[0].getId(), documents: found.map((one) => one.data) };
  },

  // A token of ours under the official rules, for one node.
  async token({ token, audience, issuer }) {
    const params = { tokenRequirements: { type: "invocation", audience } };
    const { nuc } = await Validator.parse(token, { rootIssuers: [issuer], params });
    return { command: nuc.payload.cmd, subject: nuc.payload.sub.didString };
  },
};

const { question, ...facts } = JSON.parse(readFileSync(0, "utf8"));
try {
  process.stdout.write(JSON.stringify(await QUESTIONS[question](facts)));
} catch (failure) {
  process.stderr.write(`the official client refuses: ${JSON.stringify(flat(failure))}\n`);
  process.exitCode = 1;
}
