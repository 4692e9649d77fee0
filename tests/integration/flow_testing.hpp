// What tests of flows share: the demo clip through an engine, what was counted meanwhile, and whether faces are the same.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.hpp"
#include "frame/layout.hpp"
#include "media/source.hpp"
#include "support.hpp"

namespace faceflow::test {

namespace fs = std::filesystem;
inline const fs::path demo = checkout() / "assets/demo.mp4";
inline constexpr std::size_t frame_bytes = 3110400;  // 1920x1080 4:2:0

struct measured {
    std::vector<frame_faces> faces;
    ledger::entry up, down;
    std::uint64_t syncs = 0;
    frame_cache_counts cache;
    std::map<std::string, std::uint64_t> dropped, errors;
    std::size_t peak = 0, limit = 0;
    std::vector<std::string> notes;  // lines for the user
    std::optional<ledger_check> checked;
};

// The first frames of the demo clip through an engine with the options `chosen`.
class flow_test : public testing::Test {
protected:
    static void SetUpTestSuite() {
        if (!fs::exists(demo)) return;
        auto source = media::open_source(demo.string(), {});
        ASSERT_OK(source);
        while (frames.size() < 24)
            frames.push_back((*source)->next().value()->frame);
    }
    static void TearDownTestSuite() { frames.clear(); }
    void SetUp() override {
        if (frames.empty()) GTEST_SKIP() << "assets/demo.mp4 is missing; tools/setup.sh makes it";
        chosen.device = "emulated";
        chosen.link = "none";
        chosen.threads = 2;
    }

    measured run(std::uint32_t sources = 1) const {
        measured m;
        std::mutex mutex;
        std::vector<std::string> notes;
        auto made = face_engine::create({chosen,
                                         [&](const host_frame&, result<frame_faces> r) {
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
        m.cache = e.cache();
        m.checked = e.check_ledger();
        m.notes = notes;
        m.dropped = e.counters().dropped.snapshot();
        m.errors = e.counters().errors.snapshot();
        return m;
    }

    options chosen;
    trace* tracing = nullptr;
    static inline std::vector<host_frame> frames;
};

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

}  // namespace faceflow::test
