#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A camera that speaks RTSP, by GStreamer's server: plays H.264 streams in a loop, 25 frames a second, and does what standard input says.

    rtsp_camera.py STREAM.h264 [OTHER.h264 ...] [--user NAME --password PASSWORD]

The streams are Annex B with access unit delimiters, headers before each keyframe and no B-frames. Prints the port, and then a line for each
thing it has done:

    stall SECONDS   sends nothing for so long, while its clock goes on
    jump SECONDS    sets its clock on, or back
    show N          goes on with the Nth stream, from 0, which may have another size
    leave           ends all sessions and listens no longer
    come            listens at the same port again
"""
import argparse
import re
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402,F401

FRAME = Gst.SECOND // 25
LAUNCH = ("( appsrc name=camera is-live=true format=time do-timestamp=false caps=video/x-h264,stream-format=byte-stream,alignment=au "
          "! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )")


def access_units(path):
    """(bytes, whether it is a keyframe) of each."""
    with open(path, "rb") as f:
        stream = f.read()
    starts = [m.start() for m in re.finditer(rb"\x00\x00\x00\x01\x09", stream)] + [len(stream)]
    units = [stream[a:b] for a, b in zip(starts, starts[1:])]
    return [(u, re.search(rb"\x00\x00\x01[\x65\x45\x25]", u) is not None) for u in units]


class Camera:
    def __init__(self, streams, user, password):
        self.streams = [access_units(path) for path in streams]
        self.shown = 0
        self.next = 0
        self.clock = 0  # when the next frame is shown, from the first one of a session; never before that
        self.silent = 0  # frames that are not to be sent
        self.source = None
        self.waits_for_keyframe = True
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address("127.0.0.1")
        self.server.set_service("0")
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(LAUNCH)
        factory.set_shared(True)
        factory.connect("media-configure", self.configure)
        if user:
            self.lock(factory, user, password)
        self.server.get_mount_points().add_factory("/cam", factory)
        self.listening = self.server.attach(None)
        GLib.timeout_add(40, self.tick)

    def lock(self, factory, user, password):
        allowed = GstRtspServer.RTSPToken()
        allowed.set_string("media.factory.role", "viewer")
        auth = GstRtspServer.RTSPAuth()
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, allowed)
        self.server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(permissions)

    def let_go_at_once(self):
        """What is pushed, whatever its time."""
        pipeline = self.source and self.source.get_parent().get_parent()
        if pipeline:
            pipeline.iterate_sinks().foreach(lambda sink: sink.set_property("sync", False))

    def configure(self, _factory, media):
        self.source = media.get_element().get_by_name("camera")
        self.waits_for_keyframe, self.clock = True, 0
        media.connect("unprepared", self.unprepared, self.source)

    def unprepared(self, _media, source):
        if self.source is source:
            self.source = None

    def tick(self):
        units = self.streams[self.shown]
        unit, key = units[self.next % len(units)]
        self.next += 1
        self.clock += FRAME
        if self.silent > 0:
            self.silent -= 1
        elif self.source is not None and (key or not self.waits_for_keyframe):
            self.waits_for_keyframe = False
            buffer = Gst.Buffer.new_wrapped(unit)
            buffer.pts = buffer.dts = self.clock
            buffer.duration = FRAME
            self.source.emit("push-buffer", buffer)
        return True

    def do(self, words):
        what = words[0]
        if what == "stall":
            self.silent = int(float(words[1]) * 25)
        elif what == "jump":
            self.let_go_at_once()
            self.clock += int(float(words[1]) * Gst.SECOND)
        elif what == "show":
            self.shown, self.next = int(words[1]), 0
        elif what == "leave":
            port = self.server.get_bound_port()
            self.server.set_service(str(port))
            GLib.source_remove(self.listening)
            self.server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
        elif what == "come":
            self.listening = self.server.attach(None)
        print(*words, flush=True)
        return False


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("streams", nargs="+")
    arguments.add_argument("--user")
    arguments.add_argument("--password", default="")
    a = arguments.parse_args()
    Gst.init(None)
    camera = Camera(a.streams, a.user, a.password)
    loop = GLib.MainLoop()

    def listen():
        for line in sys.stdin:
            GLib.idle_add(camera.do, line.split())
        loop.quit()

    threading.Thread(target=listen, daemon=True).start()
    print(camera.server.get_bound_port(), flush=True)
    loop.run()


if __name__ == "__main__":
    main()
