"""Answer comparisons with a vision model behind any OpenAI-compatible endpoint.

    STATION=http://127.0.0.1:8600 TOKEN=rlhf_... MODEL_URL=https://.../v1 MODEL=... MODEL_KEY=... \
        python docs/guides/vision_annotator.py --run nightly --budget 200

Of each clip the model sees a strip of frames, from the first to the last, with the task's sentence and its guidelines.
Its answers are marked as a program's. It needs PyAV and OpenCV, which robo_rlhf installs.
"""

import argparse
import base64
import io
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

import av
import cv2
import numpy as np

FRAMES, WIDTH, TRIES, PAUSE = 6, 320, 4, 2.0  # of a strip; [pixels] of a frame; of a request; [s] before the second
ASKS = """Two robots do the same task: {task}. {about}
{guidelines}
Each picture is one clip, its frames in time from left to right; the first picture is clip A, the second clip B.
{prompt} Reply with JSON alone:
{{"choice": "A", "B", "tie" or "cant_tell", "probability": 0.5 to 1 that you are right}}"""


class SpentError(Exception):
    """The budget of requests to the model is spent."""


class Annotator:
    """Takes questions of the station, asks the model, and answers."""

    def __init__(self, run: str, budget: int) -> None:
        """Answer questions of `run` with at most `budget` requests to the model."""
        self.run, self.left = run, budget
        self.station, self.token = os.environ["STATION"], os.environ["TOKEN"]
        self.model = os.environ["MODEL"]
        self.endpoint = os.environ["MODEL_URL"].rstrip("/") + "/chat/completions"

    def work(self) -> int:
        """Answer until nothing is left to ask, or the budget is spent; return how many answers were given."""
        count = 0
        while (question := self.api("POST", "/leases", {"run": self.run})["question"]) is not None:
            try:
                value = self.judge(question)
            except SpentError:
                break
            sent = {"question": question["question"], "lease": question["lease"], "value": value, "program": True}
            self.api("POST", "/answers", {**sent, "key": str(uuid.uuid4())})
            count += 1
        return count

    def judge(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return what the model says; "can't tell" where the question or its reply is of another kind."""
        if question["kind"] != "pairwise":
            return {"choice": "cant_tell"}
        words = ASKS.format(guidelines=self.guidelines(question["task"]), **question)
        content: list[dict[str, Any]] = [{"type": "text", "text": words}]
        for clip in question["clips"]:
            url = "data:image/jpeg;base64," + base64.b64encode(strip(self.film(clip["address"]))).decode()
            content.append({"type": "image_url", "image_url": {"url": url}})
        body = {"model": self.model, "messages": [{"role": "user", "content": content}], "temperature": 0}
        return understood(self.complete(body), {clip["label"]: clip["name"] for clip in question["clips"]})

    def complete(self, body: dict[str, Any]) -> str:
        """Return the text of the model's reply; a busy or broken endpoint is asked again, a little later each time.

        Raises:
            SpentError: the budget is spent.
        """
        headers = {"Authorization": f"Bearer {os.environ.get('MODEL_KEY', '')}", "Content-Type": "application/json"}
        for attempt in range(TRIES):
            if not self.left:
                raise SpentError
            self.left -= 1
            try:
                reply = json.loads(fetched(self.endpoint, json.dumps(body).encode(), headers))
                return str(reply["choices"][0]["message"]["content"])
            except (urllib.error.URLError, TimeoutError, ValueError, LookupError, TypeError) as error:
                lasting = isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code != 429
                if lasting or attempt + 1 == TRIES:
                    raise SystemExit(f"error: {self.endpoint}: {error}") from error
                time.sleep(PAUSE * 2**attempt)
        raise AssertionError("every attempt returns or raises")

    def guidelines(self, task: str) -> str:
        """Return the guidelines of a task; empty where there are none."""
        try:
            return str(self.api("GET", f"/tasks/{task}/guidelines")["text"])
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return ""
            raise

    def film(self, address: str) -> bytes:
        """Return the video of a clip."""
        return fetched(f"{self.station}{address}&width={WIDTH}", None, {"Authorization": f"Bearer {self.token}"})

    def api(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request to the station's REST API."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        found: dict[str, Any] = json.loads(fetched(f"{self.station}/api/v1{path}", content, headers, method))
        return found


def fetched(url: str, content: bytes | None, headers: dict[str, str], method: str | None = None) -> bytes:
    """Return the body of an answer over HTTP."""
    request = urllib.request.Request(url, content, headers, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        found: bytes = answer.read()
    return found


def strip(film: bytes) -> bytes:
    """Return a JPEG of FRAMES frames of a video, side by side."""
    with av.open(io.BytesIO(film)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    chosen = [frames[round(place)] for place in np.linspace(0, len(frames) - 1, FRAMES)]
    return bytes(cv2.imencode(".jpg", np.concatenate(chosen, axis=1))[1])


def understood(text: str, names: dict[str, str]) -> dict[str, Any]:
    """Return a reply as an answer; on the screen clips have the names A and B, in answers those of the question."""
    found = re.search(r"\{.*?\}", text, re.DOTALL)
    try:
        reply = json.loads(found[0]) if found else {}
    except ValueError:
        reply = {}
    choice, sure = reply.get("choice"), reply.get("probability")
    if choice in names:
        known = isinstance(sure, int | float) and 0.5 <= sure <= 1
        return {"choice": names[choice], **({"probability": sure} if known else {})}
    return {"choice": choice if choice == "tie" else "cant_tell"}


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--run", required=True, help="the run whose questions are answered")
    options.add_argument("--budget", type=int, default=100, help="requests to the model, at most")
    chosen = options.parse_args()
    missing = [name for name in ("STATION", "TOKEN", "MODEL_URL", "MODEL") if not os.environ.get(name)]
    if missing:
        sys.exit(f"error: the environment lacks {', '.join(missing)}")
    print(f"{Annotator(chosen.run, chosen.budget).work()} answers")
