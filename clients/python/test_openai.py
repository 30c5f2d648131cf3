"""The official OpenAI client for Python, unmodified, against a running server.

COSMICMAN_URL is a server with a small model, called gpt-image-1 too; COSMICMAN_SMALL
another one whose queue holds one job.
"""

import base64
import io
import os
import time
import unittest

import openai
from openai import OpenAI
from PIL import Image

URL = os.environ["COSMICMAN_URL"] + "/v1"
KEY = os.environ["COSMICMAN_KEY"]
SMALL = os.environ["COSMICMAN_SMALL"] + "/v1"
QUICK = {"size": "64x64", "extra_body": {"steps": 2, "seed": 7}}


def client(url=URL, **more):
    return OpenAI(base_url=url, api_key=KEY, **more)


def picture(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def png(size=(64, 64), colour=(90, 20, 200), alpha=None):
    out = io.BytesIO()
    image = Image.new("RGB", size, colour)
    if alpha is not None:
        image = image.convert("RGBA")
        image.paste((0, 0, 0, alpha), (0, 0, size[0] // 2, size[1]))
    image.save(out, "PNG")
    return out.getvalue()


class Images(unittest.TestCase):
    def test_create_answers_both_forms(self):
        answer = client().images.generate(model="gpt-image-1", prompt="a headshot", n=2, **QUICK)
        self.assertEqual(len(answer.data), 2)
        self.assertLess(abs(answer.created - time.time()), 600)
        for i, image in enumerate(answer.data):
            self.assertEqual(picture(base64.b64decode(image.b64_json)).size, (64, 64))
            self.assertTrue(image.url.startswith("http"))
            self.assertEqual(image.seed, 7 + i)
        self.assertEqual(answer.size, "64x64")
        self.assertEqual(answer.output_format, "png")
        self.assertEqual(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens)
        self.assertGreater(answer.usage.input_tokens_details.text_tokens, 1)

    def test_the_same_seed_draws_the_same_image(self):
        first, second = (client().images.generate(prompt="a headshot", response_format="b64_json", **QUICK) for _ in range(2))
        self.assertEqual(first.data[0].b64_json, second.data[0].b64_json)

    def test_formats_and_urls(self):
        import urllib.request

        for fmt, name in {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}.items():
            answer = client().images.generate(prompt="p", response_format="url", output_format=fmt, **QUICK)
            self.assertIsNone(answer.data[0].b64_json)
            with urllib.request.urlopen(answer.data[0].url) as r:
                self.assertEqual(r.headers["Content-Type"], "image/" + fmt)
                self.assertEqual(picture(r.read()).format, name)

    def test_structured_prompt(self):
        answer = client().images.generate(
            prompt="by the sea",
            size="64x64",
            extra_body={"steps": 2, "body": {"gender": "female", "hair": {"color": "red"}}, "outfit": {"top": {"type": "shirt", "color": "white"}}},
        )
        self.assertIn("white", answer.data[0].revised_prompt)
        self.assertIn("by the sea", answer.data[0].revised_prompt)

    def test_edit_with_and_without_mask(self):
        for mask in (None, png(alpha=0)):
            more = {"mask": ("mask.png", mask, "image/png")} if mask else {}
            answer = client().images.edit(image=("in.png", png(), "image/png"), prompt="a red coat", size="64x64", extra_body={"steps": 4}, **more)
            self.assertEqual(picture(base64.b64decode(answer.data[0].b64_json)).size, (64, 64))
            self.assertGreater(answer.usage.input_tokens_details.image_tokens, 0)

    def test_an_image_in_a_list(self):
        answer = client().images.edit(image=[("in.png", png(), "image/png")], prompt="a red coat", size="64x64", extra_body={"steps": 4})
        self.assertEqual(len(answer.data), 1)

    def test_variation(self):
        answer = client().images.create_variation(image=("in.png", png(), "image/png"), n=2, size="64x64", extra_body={"steps": 4})
        self.assertEqual(len(answer.data), 2)

    def test_stream(self):
        events = list(client().images.generate(prompt="a headshot", stream=True, partial_images=2, **QUICK | {"extra_body": {"steps": 6}}))
        kinds = [e.type for e in events]
        self.assertEqual(kinds, ["image_generation.partial_image"] * 2 + ["image_generation.completed"])
        self.assertEqual([e.partial_image_index for e in events[:2]], [0, 1])
        for e in events:
            self.assertEqual(picture(base64.b64decode(e.b64_json)).size, (64, 64))
            self.assertEqual((e.size, e.output_format, e.background), ("64x64", "png", "opaque"))
        self.assertGreater(events[-1].usage.total_tokens, 0)

    def test_stream_of_an_edit(self):
        events = list(client().images.edit(image=("in.png", png(), "image/png"), prompt="p", stream=True, partial_images=1, size="64x64", extra_body={"steps": 6}))
        self.assertEqual([e.type for e in events], ["image_edit.partial_image", "image_edit.completed"])

    def test_models(self):
        names = [m.id for m in client().models.list()]
        self.assertIn("tiny", names)
        model = client().models.retrieve("tiny")
        self.assertEqual((model.object, model.id), ("model", "tiny"))
        with self.assertRaises(openai.NotFoundError):
            client().models.retrieve("no-such-model")


class Errors(unittest.TestCase):
    def refused(self, kind, param, **asked):
        with self.assertRaises(kind) as caught:
            client(max_retries=0).images.generate(**{"prompt": "p", "size": "64x64"} | asked)
        self.assertEqual(caught.exception.param, param)
        self.assertTrue(caught.exception.message)
        return caught.exception

    def test_fields_are_named(self):
        self.refused(openai.BadRequestError, "size", size="63x64")
        self.refused(openai.BadRequestError, "n", n=11)
        self.refused(openai.BadRequestError, "output_format", output_format="gif")
        self.refused(openai.BadRequestError, "background", background="transparent")
        self.refused(openai.BadRequestError, "steps", extra_body={"steps": -1})
        self.refused(openai.BadRequestError, "colour", extra_body={"colour": "red"})

    def test_unknown_model(self):
        error = self.refused(openai.NotFoundError, "model", model="no-such-model")
        self.assertEqual(error.code, "model_not_found")

    def test_a_wrong_key(self):
        with self.assertRaises(openai.AuthenticationError) as caught:
            OpenAI(base_url=URL, api_key="wrong").images.generate(prompt="p", **QUICK)
        self.assertEqual(caught.exception.code, "invalid_api_key")

    def test_a_request_has_an_id(self):
        raw = client().images.with_raw_response.generate(prompt="p", **QUICK)
        self.assertTrue(raw.request_id)

    def test_a_client_that_does_not_wait(self):
        with self.assertRaises(openai.APITimeoutError):
            client(timeout=0.3, max_retries=0).images.generate(prompt="p", size="512x512", extra_body={"steps": 500})

    def test_a_full_queue_is_tried_again(self):
        """The queue holds one job: while it is drawn others are told when to come again."""
        client(SMALL).images.with_raw_response.generate(
            prompt="p", size="128x128", extra_body={"steps": 200}, extra_headers={"Prefer": "respond-async"})
        with self.assertRaises(openai.RateLimitError) as refused:
            client(SMALL, max_retries=0).images.generate(prompt="q", size="64x64", extra_body={"steps": 1})
        self.assertTrue(refused.exception.response.headers["retry-after"])
        answer = client(SMALL, max_retries=10).images.generate(prompt="q", size="64x64", extra_body={"steps": 1})
        self.assertEqual(len(answer.data), 1)


class Jobs(unittest.TestCase):
    def test_asynchronous(self):
        raw = client().images.with_raw_response.generate(prompt="p", extra_headers={"Prefer": "respond-async"}, **QUICK)
        self.assertEqual(raw.http_response.status_code, 202)
        where = raw.headers["location"].removeprefix("/v1")
        deadline = time.time() + 60
        while True:
            job = client().get(where, cast_to=object, options={"headers": {}})
            if job["status"] not in ("queued", "in_progress") or time.time() > deadline:
                break
            time.sleep(0.05)
        self.assertEqual(job["status"], "completed")
        self.assertEqual(len(job["result"]["data"]), 1)


if __name__ == "__main__":
    unittest.main()
