"""Run in the environment with Ray: nodes on this machine that join and leave, as lines of the input say.

The first line of the output is the address of the head, which does no work itself. Each line of the input is answered
with one: `add PATH` starts a node that finds modules in PATH first, `remove` kills the oldest. All end with this
process.
"""

import sys

from ray.cluster_utils import Cluster


def main() -> None:
    """Do what the lines say."""
    quiet = {"num_cpus": 1, "object_store_memory": 200 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**quiet, "num_cpus": 0, "include_dashboard": False})
    nodes = []
    print(cluster.address, flush=True)
    for line in sys.stdin:
        what, _, path = line.strip().partition(" ")
        if what == "add":
            nodes.append(cluster.add_node(**quiet, env_vars={"PYTHONPATH": path}))
        else:
            cluster.remove_node(nodes.pop(0), allow_graceful=False)
        print("done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
