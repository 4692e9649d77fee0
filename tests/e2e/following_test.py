#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How `faceflow run` follows faces in clips that are made for it: steadiness, identities, what comes and goes.

    following_test.py FACEFLOW [unittest options]
"""
import statistics
import unittest

from support import DEMO, Case, ffmpeg

# Two people of the demo clip on a blurred ground: {a} and {b} are places in pixels over t in seconds.
TWO = ("[0:v]split=3[x][y][z];[z]scale=1280:720,boxblur=40,eq=brightness=-0.2[ground];[x]crop=400:480:260:30,scale=300:360[a];"
       "[y]crop=400:480:1220:30,scale=300:360[b];[ground][b]overlay=x='{b}':y=180[with_b];[with_b][a]overlay=x='{a}':y=180")


def change(before, after):
    """The landmarks' non-rigid change: the median distance after a similarity, in percent of the distance of the eyes."""
    a, b = ([complex(p[0], p[1]) for p in face["landmarks"]] for face in (before, after))
    ca, cb = sum(a) / len(a), sum(b) / len(b)
    a, b = [p - ca for p in a], [p - cb for p in b]
    turn = sum(p.conjugate() * q for p, q in zip(a, b)) / sum(abs(p) ** 2 for p in a)
    return 100 * statistics.median(abs(q - p * turn) for p, q in zip(a, b)) / abs(b[33] - b[263])


@unittest.skipUnless(DEMO.exists(), "assets/demo.mp4 is missing; tools/setup.sh makes it")
class Following(Case):
    def clip(self, a, b="-400", seconds=6):
        path = self.dir / "clip.mp4"
        ffmpeg("-i", DEMO, "-filter_complex", TWO.format(a=a, b=b), "-t", seconds, "-c:v", "libx264", "-preset", "veryfast", "-crf", 18,
               "-an", path)
        return path

    def follow(self, clip, *args):
        self.run_ok(clip, "--no-video", "--format", "ndjson", *args)
        return [{f["track"]: f for f in line["faces"]} for line in self.lines()]

    def middle(self, face):
        return face["box"][0] + face["box"][2] / 2

    def test_detections_do_not_show_in_landmarks(self):
        frames = self.follow(DEMO, "--limit", 150, "--detect-every", 5)
        always = self.follow(DEMO, "--limit", 150, "--detect", "always")
        after, others = [], []
        for n in range(10, 150):
            self.assertEqual(frames[n].keys(), always[n].keys())
            for track, face in frames[n].items():
                (after if n % 5 in (0, 1) else others).append(change(frames[n - 1][track], face))
                self.assertLess(abs(self.middle(face) - self.middle(always[n][track])), 1)
        # A decoded picture's noise has a beat of its own, so always is the measure, not evenness.
        expected = [change(always[n - 1][track], face) for n in range(10, 150) if n % 5 in (0, 1) for track, face in always[n].items()]
        self.assertLess(statistics.mean(after), 1.1 * statistics.mean(expected))
        self.assertLess(statistics.mean(after), 1.25 * statistics.mean(others))

    def test_two_that_cross_keep_their_tracks(self):
        frames = self.follow(self.clip("160*t", "980-160*t"))
        self.assertEqual(set().union(*frames), {1, 2})
        first, last = frames[5], frames[175]
        for track in (1, 2):
            went = self.middle(last[track]) - self.middle(first[track])
            came_from_the_left = self.middle(first[track]) < 640
            self.assertGreater(went if came_from_the_left else -went, 600, f"track {track} turned round")

    def test_one_that_leaves_is_gone_and_another_that_comes_is_someone_else(self):
        frames = self.follow(self.clip("if(lt(t,2),500,500+400*(t-2))", "if(lt(t,3),-400,min(500,-400+450*(t-3)))"))
        self.assertEqual(set(frames[30]), {1})
        self.assertEqual(set(frames[175]), {2})
        self.assertEqual(set().union(*frames), {1, 2})
        for faces in frames[135:]:
            self.assertEqual(set(faces), {2}, "no mesh lives on where its face has left the picture")

    def test_a_face_behind_something_for_a_moment_is_the_same_afterwards(self):
        path = self.dir / "covered.mp4"
        ffmpeg("-i", self.clip("500"), "-f", "lavfi", "-i", "color=gray:s=200x360:r=30", "-filter_complex",
               "[0:v][1:v]overlay=x='-300+250*t':y=180:shortest=1", "-t", 6, "-c:v", "libx264", "-preset", "veryfast", "-crf", 18, path)
        frames = self.follow(path)
        self.assertEqual(set().union(*frames), {1})
        hidden = [n for n, faces in enumerate(frames) if not faces]
        self.assertLess(len(hidden), 35)
        self.assertEqual(set(frames[175]), {1})

    def test_when_needed_nothing_is_missed_for_long_that_is_found_in_every_frame(self):
        clip = self.clip("1050+120*sin(t*1.5)", "if(lt(t,3),-400,100)")
        needed, always = (self.follow(clip, "--detect", mode) for mode in ("auto", "always"))
        run = 0
        for n, (a, b) in enumerate(zip(needed, always)):
            missing = [f for f in b.values() if not any(abs(self.middle(f) - self.middle(g)) < 60 for g in a.values())]
            run = run + 1 if missing else 0
            self.assertLessEqual(run, 6, f"frame {n}")

    def test_smoothing_calms_box_and_pose_and_its_strength_counts(self):
        def unrest(*args):
            frames = self.follow(DEMO, "--limit", 60, *args)
            return (sum(abs(b[1]["box"][0] - 2 * a[1]["box"][0] + o[1]["box"][0]) for o, a, b in zip(frames, frames[1:], frames[2:])),
                    sum(abs(b[1]["pose"]["yaw"] - 2 * a[1]["pose"]["yaw"] + o[1]["pose"]["yaw"])
                        for o, a, b in zip(frames, frames[1:], frames[2:])))
        raw, usual, strong = unrest(), unrest("--smooth"), unrest("--smooth", "--smooth-strength", 4)
        for part in (0, 1):
            self.assertLess(usual[part], 0.8 * raw[part])
            self.assertLess(strong[part], 0.8 * usual[part])


if __name__ == "__main__":
    unittest.main()
