// SPDX-License-Identifier: Apache-2.0
// What tests of flows share: the demo clip through an engine, what was counted meanwhile, and whether faces are the same.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "backends/open_devices.hpp"
#include "engine/engine.hpp"
#include "frame/layout.hpp"
#include "media/source.hpp"
#include "support.hpp"
#include "vision/records.hpp"

namespace faceflow::internal::test {

namespace fs = std::filesystem;

// Where a build was carried without the small clip, the large one does what it would do quickly.
inline const fs::path quick_demo = fs::exists(small_demo) ? small_demo : demo;

struct measured {
    std::vector<frame_faces> faces;
    ledger::entry up, down;
    std::uint64_t syncs = 0;
    frame_cache_counts cache;
    std::map<std::string, std::uint64_t> dropped, errors;
    std::size_t peak = 0, limit = 0;
    std::vector<std::string> notes;     // lines for the user
    std::vector<std::string> warnings;  // of the engine, from its start
    std::uint64_t timed = 0;            // spans of the landmark stage
    std::optional<ledger_check> checked;
    inference_backend inference = inference_backend::automatic;  // what the models ran on
};

// Whether a run can be on a CUDA device here, which needs nothing else; the error says why not.
inline result<void> check_cuda() {
    if (const auto there = open_devices({.name = "cuda"}); !there) return tl::unexpected(there.error());
    return {};
}

// The first frames of the demo clip through an engine with the options `chosen`: at 640x360, and the detector at half its usual
// size, for what holds at any size; where bytes and memory of 1080p are meant, use_full_size() or, for the frames alone,
// use_large_frames().
class flow_test : public testing::Test {
protected:
    void SetUp() override {
        if (!fs::exists(demo)) GTEST_SKIP() << "assets/demo.mp4 is missing; tools/setup.sh makes it";
        read_frames(quick_demo, 24);
        chosen.detect_width = 320;
        chosen.detect_height = 192;
        chosen.device = "emulated";
        chosen.link = "none";
        chosen.threads = 2;
    }

    static void use_large_frames(std::size_t n = 24) {
        read_frames(demo, n);
        ASSERT_EQ(frame_bytes(), 3110400u) << "1920x1080 4:2:0";
    }
    void use_full_size(std::size_t n = 24) {
        use_large_frames(n);
        chosen.detect_width = options().detect_width;
        chosen.detect_height = options().detect_height;
    }
    static std::size_t frame_bytes() {
        const image& p = frames.front().picture;
        return native_bytes(p.format, p.width, p.height);
    }

    measured run(std::uint32_t sources = 1) const {
        measured m;
        std::mutex mutex;
        std::vector<std::string> notes;
        auto made = face_engine::create({chosen,
                                         [&](const host_frame&, result<frame_faces> r) {
                                             ++handled;
                                             if (r) m.faces.push_back(std::move(*r));
                                         },
                                         true, tracing,
                                         [&](const std::string& line) {
                                             const std::lock_guard lock(mutex);
                                             notes.push_back(line);
                                         }});
        EXPECT_OK(made);
        if (!made) return m;
        face_engine& e = **made;
        std::uint64_t waits_of_setting_up = 0;
        for (const auto& d : e.devices())
            waits_of_setting_up += d->book().syncs();
        for (std::uint32_t s = 0; s < sources; ++s)
            e.begin_source(s);
        std::vector<std::thread> cameras;
        for (std::uint32_t s = 0; s < sources; ++s) {
            cameras.emplace_back([&, s] {
                for (host_frame f : frames) {
                    f.id.source = s;
                    EXPECT_OK(e.submit(f));
                }
                e.end_source(s);
            });
        }
        for (auto& c : cameras)
            c.join();
        e.drain();
        for (const auto& d : e.devices()) {
            m.up += d->book().transfers(direction::host_to_device);
            m.down += d->book().transfers(direction::device_to_host);
            m.syncs += d->book().syncs();
            m.peak = std::max(m.peak, d->pool().peak_bytes());
            m.limit = d->pool().limit_bytes();
        }
        m.syncs -= waits_of_setting_up;
        m.cache = e.cache();
        m.warnings = e.notes();
        m.inference = e.chosen().inference;
        m.timed = e.counters().of(stage::landmark).count();
        m.checked = e.check_ledger();
        m.notes = notes;
        m.dropped = e.counters().dropped.snapshot();
        m.errors = e.counters().errors.snapshot();
        return m;
    }

    // Detects in every frame, so that each costs the same.
    static options detecting_always() {
        options o;
        o.detect_every = 1;
        return o;
    }

    options chosen = detecting_always();
    trace* tracing = nullptr;
    mutable std::atomic<int> handled{
        0};  // frames of runs so far, for who waits until a run is in the midst of its work
    static inline std::vector<host_frame> frames;

private:
    static void read_frames(const fs::path& clip, std::size_t n) {
        static fs::path read;  // tests of one process share what was decoded
        if (read == clip && frames.size() == n) return;
        read.clear();
        frames.clear();
        auto source = media::open_source(clip.string(), {});
        ASSERT_OK(source);
        while (frames.size() < n)
            frames.push_back((*source)->next().value()->frame);
        read = clip;
    }
};

// What a flow of several processes moves for `n` frames of the demo clip at its full size, which have four faces each.
inline void expect_moves_of(const std::string& flow, const measured& m, std::size_t n) {
    constexpr std::size_t frame_bytes = 1920 * 1080 * 3 / 2;
    // Three planes of floats, or on a GPU's own kernels four halves a pixel.
    const std::size_t crop =
        192 * 192 * (m.inference == inference_backend::native ? std::size_t{8} : 3 * sizeof(float));
    if (flow == "copied") {
        // The frame for detect and again for region, the faces for region, a crop each; the faces, a crop each, a record each.
        EXPECT_EQ(m.up.count, 7 * n);
        EXPECT_GE(m.up.bytes, n * (2 * 3 * 1920 * 1080 + 4 * crop));
        EXPECT_EQ(m.down.count, 9 * n);
        EXPECT_EQ(m.up.pinned_count + m.down.pinned_count, 0u);
        EXPECT_EQ(m.syncs, 9 * n);
    } else if (flow == "cached") {
        EXPECT_EQ(m.up.count, 3 * n - 1) << "the frame, the faces followed into all but the first, a batch of regions";
        EXPECT_GE(m.up.bytes, n * (frame_bytes + 4 * crop));
        EXPECT_LE(m.down.count, 2 * n + 1) << "the first frame guesses how many faces there are";
        EXPECT_EQ(m.cache.hits, n);
        EXPECT_EQ(m.up.pinned_count, m.up.count);
    } else {
        EXPECT_EQ(m.up.count, n);
        EXPECT_EQ(m.up.bytes, n * frame_bytes);
        EXPECT_EQ(m.down.count, n);
        EXPECT_EQ(m.down.bytes, n * vision::pass_results::bytes(1, 8));
        EXPECT_EQ(m.syncs, n) << "handing a frame over waits for nothing";
    }
}

inline bool same(const std::vector<frame_faces>& a, const std::vector<frame_faces>& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (a[i].id != b[i].id || a[i].faces.size() != b[i].faces.size()) return false;
        for (std::size_t k = 0; k < a[i].faces.size(); ++k) {
            const face &x = a[i].faces[k], &y = b[i].faces[k];
            if (x.track != y.track || x.score != y.score || x.presence != y.presence ||
                x.pose.matrix != y.pose.matrix ||
                std::memcmp(x.landmarks.data(), y.landmarks.data(), sizeof x.landmarks) != 0) {
                return false;
            }
        }
    }
    return true;
}

// Largest distance between landmarks of the same faces; a large number when they are not the same faces.
inline float farthest(const std::vector<frame_faces>& a, const std::vector<frame_faces>& b) {
    float most = a.size() == b.size() ? 0 : 1e9f;
    for (std::size_t i = 0; most < 1e9f && i < a.size(); ++i) {
        if (a[i].id != b[i].id || a[i].faces.size() != b[i].faces.size()) return 1e9f;
        for (std::size_t k = 0; k < a[i].faces.size(); ++k) {
            for (std::size_t l = 0; l < landmark_count; ++l) {
                const point3 &p = a[i].faces[k].landmarks[l], &q = b[i].faces[k].landmarks[l];
                most = std::max({most, std::abs(p.x - q.x), std::abs(p.y - q.y)});
            }
        }
    }
    return most;
}

// How far apart landmarks are, in pixels of the mesh's input: 192 of them span a face's region.
struct mesh_distance {
    double mean = 0, most = 0;
    std::size_t far = 0;  // faces of which a landmark is farther than 0.2
};

// Of the same faces with the same tracks; infinite when they are not.
inline mesh_distance mesh_distance_between(const std::vector<frame_faces>& a, const std::vector<frame_faces>& b) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    constexpr mesh_distance other_faces{infinity, infinity, std::numeric_limits<std::size_t>::max()};
    if (a.size() != b.size()) return other_faces;
    mesh_distance d;
    std::size_t landmarks = 0;
    constexpr double far = 0.2;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (a[i].id != b[i].id || a[i].faces.size() != b[i].faces.size()) return other_faces;
        for (std::size_t k = 0; k < a[i].faces.size(); ++k) {
            const face &x = a[i].faces[k], &y = b[i].faces[k];
            if (x.track != y.track) return other_faces;
            const double scale = 192 / (1.5 * static_cast<double>(std::max(x.box.width, x.box.height)));
            double most = 0;
            for (std::size_t l = 0; l < landmark_count; ++l) {
                const point3 &p = x.landmarks[l], &q = y.landmarks[l];
                const double apart = scale * static_cast<double>(std::hypot(p.x - q.x, p.y - q.y));
                most = std::max(most, apart);
                d.mean += apart;
                ++landmarks;
            }
            d.most = std::max(d.most, most);
            d.far += most > far ? 1 : 0;
        }
    }
    d.mean /= static_cast<double>(std::max<std::size_t>(landmarks, 1));
    return d;
}

}  // namespace faceflow::internal::test
