// tus-js-client under Node, as its own documents show it: node upload.mjs OPTIONS, told by the test.
// OPTIONS is JSON: `endpoint`, `token`, `file`, `chunkSize`, `memory` (a file that remembers uploads), `uploadUrl`, `retryDelays`.
// Prints a line of JSON for all that it notices.

import { createReadStream } from "node:fs";
import { FileUrlStorage } from "tus-js-client/lib.es5/node/urlStorage.js";
import { Upload } from "tus-js-client";

const { token, file, memory, ...rest } = JSON.parse(process.argv[2]);
const say = (line) => console.log(JSON.stringify(line));

const upload = new Upload(createReadStream(file), {
  retryDelays: Array(100).fill(20),
  ...rest,
  headers: { Authorization: `Bearer ${token}` },
  metadata: { filename: "exam.zip", template: "standard-150" },
  ...(memory && { urlStorage: new FileUrlStorage(memory) }),
  onUploadUrlAvailable: () => say({ url: upload.url }),
  onChunkComplete: (_, accepted) => say({ accepted }),
  onError: (error) => say({ error: error.message }),
  onSuccess: () => say({ over: "done" }),
});
const [previous] = memory ? await upload.findPreviousUploads() : [];
if (previous) upload.resumeFromPreviousUpload(previous);
upload.start();
