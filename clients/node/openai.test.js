// The official OpenAI client for Node, unmodified, against a running server:
// see ../python/test_openai.py for the environment.
import assert from "node:assert/strict";
import test from "node:test";
import zlib from "node:zlib";
import OpenAI, { toFile } from "openai";

const baseURL = process.env.COSMICMAN_URL + "/v1";
const client = new OpenAI({ baseURL, apiKey: process.env.COSMICMAN_KEY });
const quick = { size: "64x64", steps: 2, seed: 7 };

// png is a picture of one colour; alpha of its left half, with four channels.
function png(width = 64, height = 64, alpha = null) {
  const channels = alpha === null ? 3 : 4;
  const rows = Buffer.alloc(height * (1 + width * channels));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * (1 + width * channels) + 1 + x * channels;
      rows.set([90, 20, 200], at);
      if (channels === 4) rows[at + 3] = x < width / 2 ? alpha : 255;
    }
  }
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const out = Buffer.alloc(8 + data.length + 4);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(zlib.crc32(body), 4 + body.length);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, channels === 4 ? 6 : 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", head), chunk("IDAT", zlib.deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

// size reads a PNG's.
function size(b64) {
  const data = Buffer.from(b64, "base64");
  assert.equal(data.toString("latin1", 1, 4), "PNG");
  return [data.readUInt32BE(16), data.readUInt32BE(20)];
}

test("create", async () => {
  const answer = await client.images.generate({ model: "gpt-image-1", prompt: "a headshot", n: 2, ...quick });
  assert.equal(answer.data.length, 2);
  assert.deepEqual(size(answer.data[0].b64_json), [64, 64]);
  assert.equal(answer.data[1].seed, 8);
  const file = await fetch(answer.data[0].url);
  assert.equal(file.headers.get("content-type"), "image/png");
  assert.equal(Buffer.from(await file.arrayBuffer()).toString("base64"), answer.data[0].b64_json);
});

test("edit, with a mask", async () => {
  const answer = await client.images.edit({
    image: await toFile(png(), "in.png", { type: "image/png" }),
    mask: await toFile(png(64, 64, 0), "mask.png", { type: "image/png" }),
    prompt: "a red coat", size: "64x64", steps: 4,
  });
  assert.deepEqual(size(answer.data[0].b64_json), [64, 64]);
});

test("variation", async () => {
  const answer = await client.images.createVariation({ image: await toFile(png(), "in.png", { type: "image/png" }), size: "64x64", steps: 4 });
  assert.deepEqual(size(answer.data[0].b64_json), [64, 64]);
});

test("stream", async () => {
  const kinds = [];
  for await (const e of await client.images.generate({ prompt: "p", ...quick, steps: 6, stream: true, partial_images: 2 })) {
    kinds.push(e.type);
    assert.deepEqual(size(e.b64_json), [64, 64]);
  }
  assert.deepEqual(kinds, ["image_generation.partial_image", "image_generation.partial_image", "image_generation.completed"]);
});

test("errors name the field", async () => {
  await assert.rejects(client.images.generate({ prompt: "p", size: "63x64" }), (e) => e instanceof OpenAI.BadRequestError && e.param === "size");
  await assert.rejects(client.images.generate({ prompt: "p", model: "none" }), (e) => e instanceof OpenAI.NotFoundError && e.code === "model_not_found");
  await assert.rejects(new OpenAI({ baseURL, apiKey: "wrong" }).images.generate({ prompt: "p" }), (e) => e instanceof OpenAI.AuthenticationError);
});

test("a client that does not wait", async () => {
  const hasty = new OpenAI({ baseURL, apiKey: process.env.COSMICMAN_KEY, timeout: 300, maxRetries: 0 });
  await assert.rejects(hasty.images.generate({ prompt: "p", size: "512x512", steps: 500 }), OpenAI.APIConnectionTimeoutError);
});

test("models", async () => {
  const names = [];
  for await (const m of client.models.list()) names.push(m.id);
  assert.ok(names.includes("tiny"));
  assert.equal((await client.models.retrieve("tiny")).object, "model");
});
