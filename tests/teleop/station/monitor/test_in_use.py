"""The monitor page shows what was found of a policy in use, and sends moments on."""

from pathlib import Path

from robo_rlhf.core.files import write_json
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.deploy.monitor import NEW, STATE
from tests.data.making import episode
from tests.teleop.station.conftest import Visit


def test_moments_in_use_are_shown_and_sent_on(home: Path, visit: Visit) -> None:
    client = visit("operator")
    assert client.get("/api/monitor/in-use").json() == {"found": []}
    dataset = Dataset(home / "in-use", create=True)
    name = dataset.add(episode())
    moment = {"episode": name, "start": 0, "length": 2, "unusual": 3.0, "why": "hand_x"}
    write_json(dataset.path / STATE, {"policy": "cloned", "alarm": True, "signals": [], "moments": [moment]})
    (found,) = client.get("/api/monitor/in-use").json()["found"]
    assert found["dataset"] == "in-use"
    assert found["moments"] == [moment]
    body = {"dataset": "in-use", "send": "training"}
    assert visit("annotator").post("/api/monitor/moments", json=body).status_code == 403
    assert client.post("/api/monitor/moments", json=body).json() == {"where": "in-use-new", "count": 1}
    assert client.post("/api/monitor/moments", json=body).json()["count"] == 0
    assert Dataset(home / "in-use-new").ids() == (name,)
    assert NEW in dataset.info(name).meta.tags
    (dataset.path / STATE).write_text("{broken")
    assert client.get("/api/monitor/in-use").json() == {"found": []}
    assert client.post("/api/monitor/moments", json=body).status_code == 404
