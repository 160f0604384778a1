"""A Ray cluster of several nodes on this machine, on loopback, for the tests.

Usage: cluster.py FOLDER DASHBOARD_PORT NODES. Prints one JSON object a line: {"ready": ADDRESS} once it stands, and then
an answer to each line on its standard input: "remove NAME" takes a node away as a power cut does, "head" does so with the
head. It ends when its standard input does.
"""

import json
import os
import socket
import sys

# Ray would else bind to the machine's address in its network. The name tells where Ray's own default is loopback.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_agent_register_timeout_ms"] = "300000"
os.environ["RAY_raylet_start_wait_time_s"] = "300"

from ray.cluster_utils import Cluster  # noqa: E402


def say(**answer):
    print(json.dumps(answer), flush=True)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def node_options(cpus):
    # A raylet waits only seconds for ports that its agents choose themselves: too short on a busy machine.
    names = ["metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port"]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    memory = 100 * 1024 * 1024
    return {"num_cpus": cpus, "node_ip_address": "127.0.0.1", "object_store_memory": memory, **ports}


def main(folder, port, nodes):
    head = {"include_dashboard": True, "dashboard_host": "127.0.0.1", "dashboard_port": int(port), "temp_dir": folder}
    cluster = Cluster(initialize_head=True, head_node_args={**node_options(0), **head})
    try:
        running = {name: cluster.add_node(**node_options(1)) for name in nodes.split(",")}
        say(ready=f"http://127.0.0.1:{port}", nodes={name: node.node_id for name, node in running.items()})
        for line in sys.stdin:
            command, _, name = line.strip().partition(" ")
            node = cluster.head_node if command == "head" else running.pop(name)
            cluster.remove_node(node, allow_graceful=False)
            say(removed=name or command)
    finally:
        cluster.shutdown()


main(*sys.argv[1:])
