"""Where things lie in a LeRobot set, and what its columns are called."""

VERSION, READ = "v3.0", ("v2.1", "v3.0")
CHUNK = 1000  # files in a folder
DATA_MB, VIDEO_MB = 100, 200  # of a file, before the next one begins
MOST_PIECES = 20_000  # columns of row groups in a file: its writer keeps the place of each in memory, as readers do
OWN = "robo_rlhf/"  # columns of `meta/episodes` that are ours
EPISODES_EACH = 100  # in a row group of `meta/episodes`
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
IMAGES = "observation.images."
INDICES = ("timestamp", "frame_index", "episode_index", "index", "task_index")
KNOWN = {"next.reward", "next.success", "next.done", "next.truncated", "intervention", "source", "action", *INDICES}
LAST = ("obs", "state")  # of which a row more is known than there are steps
AS_JSON = ("versions", "origin", "action_bounds")
NOT_WRITTEN = ("frames",)  # a camera's video is written as one
ADVICE = "A LeRobot set is a folder with meta/info.json, data and videos."
_COLUMNS = {"obs": "observation.state", "state": "simulator_state", "reward": "next.reward"}


def column(name: str) -> str:
    """Return the name of a column of ours in a LeRobot set: it has no slashes."""
    return _COLUMNS.get(name, name.replace("/", "."))


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
