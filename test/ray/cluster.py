"""A Ray cluster of several nodes on this machine, on loopback, for the tests.

Usage: cluster.py FOLDER DASHBOARD_PORT NODES. Prints one JSON object a line: {"ready": ADDRESS} once it stands, and
then an answer to each line on its standard input: "remove NAME" takes a node away as a power cut does, "head" does so
with the head, "add NAME PATH" adds one that finds programs on another PATH. It ends when its standard input does.
"""

import json
import os
import socket
import sys

from ray.cluster_utils import Cluster


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
            command, *words = line.split()
            if command == "add":
                name, path = words
                own, os.environ["PATH"] = os.environ["PATH"], path
                running[name] = cluster.add_node(**node_options(1))
                os.environ["PATH"] = own
            elif command == "head" or words[0] in running:
                node = cluster.head_node if command == "head" else running.pop(words[0])
                cluster.remove_node(node, allow_graceful=False)
            say(done=line.strip())
    finally:
        cluster.shutdown()


main(*sys.argv[1:])
