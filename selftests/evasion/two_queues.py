# SPDX-License-Identifier: GPL-2.0-only
"""A plant whose NICs have two queues: two CPUs can be in keyswitch at once, which they
never are on a veth as it comes."""
import plant

MTU = 2200
QUEUES = ("numrxqueues", "2", "numtxqueues", "2")


class TwoQueues(plant.Plant):
    def make_veth(self, ns, nic, port):
        plant.run("ip", "link", "add", nic, "netns", ns, "mtu", MTU, *QUEUES, "type", "veth",
                  "peer", "name", port, "netns", self.gateway, "mtu", MTU, *QUEUES)
