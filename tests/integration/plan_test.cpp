// SPDX-License-Identifier: Apache-2.0
// `faceflow plan` against what the ledgers of real runs hold: to the transfer, the byte and the modelled nanosecond.
#include <cmath>
#include <optional>

#include "analysis/plan.hpp"
#include "flow/option_table.hpp"
#include "flow_testing.hpp"

namespace faceflow::internal {
namespace {

struct setting {
    std::string flow;
    std::string link = "pcie4";
    bool cache = true, batch = true, pinned = true;
    double ttl = 30;  // no frame expires while it is in work, however slow the machine
};

std::string label_of(const setting& s) {
    return s.flow + (s.cache ? "" : "_without_cache") + (s.batch ? "" : "_without_batch") +
           (s.pinned ? "" : "_without_pinned") + (s.ttl > 0 ? "" : "_expiring") + "_over_" + s.link;
}

// What is counted of a run so far, all processes together.
struct counts {
    std::uint64_t up = 0, up_bytes = 0, down = 0, down_bytes = 0, syncs = 0, hits = 0, misses = 0, link_ns = 0;
    friend counts operator-(counts a, const counts& b) {
        return {a.up - b.up,       a.up_bytes - b.up_bytes, a.down - b.down,     a.down_bytes - b.down_bytes,
                a.syncs - b.syncs, a.hits - b.hits,         a.misses - b.misses, a.link_ns - b.link_ns};
    }
};

// A picture and its memory.
struct painting {
    std::vector<std::uint8_t> pixels;
    host_frame of;

    painting(pixel_format format, std::int32_t width, std::int32_t height) {
        image& p = of.picture;
        p.format = format;
        p.width = width;
        p.height = height;
        pixels.assign(native_bytes(format, width, height), 128);
        p = packed_at(p, reinterpret_cast<const std::byte*>(pixels.data()));
    }
    painting(const painting&) = delete;
};

// The demo clip's first face, in grey, so many times each way.
void tile(painting& into, const image& from, std::int32_t times) {
    constexpr std::int32_t left = 360, top = 40, side = 480;  // of the face and some room around it
    const std::int32_t each = into.of.picture.width / times;
    for (std::int32_t y = 0; y < times * each; ++y) {
        for (std::int32_t x = 0; x < times * each; ++x) {
            const std::int32_t from_y = top + y % each * side / each, from_x = left + x % each * side / each;
            into.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(into.of.picture.width) +
                        static_cast<std::size_t>(x)] =
                from.planes[0].data[std::ptrdiff_t{from_y} * from.planes[0].stride + from_x];
        }
    }
}

class plan_of : public test::flow_test, public testing::WithParamInterface<setting> {
protected:
    void SetUp() override {
        test::flow_test::SetUp();
        if (IsSkipped()) return;
        use_full_size(1);
        const setting& s = GetParam();
        chosen.flow = flow::value_of<&options::flow>(s.flow).value();
        chosen.link = s.link;
        chosen.tuning.cache = s.cache;
        chosen.tuning.batch = s.batch;
        chosen.tuning.pinned = s.pinned;
        chosen.tuning.cache_ttl = s.ttl;
        chosen.min_presence = 0;    // every face that was found comes back, and can be counted
        chosen.stage_timeout = 20;  // a sanitizer's slowness is no hang
    }

    void open() {
        engine_.reset();
        auto made = face_engine::create({chosen,
                                         [this](const host_frame&, result<frame_faces> r) {
                                             ASSERT_OK(r);
                                             faces_ = static_cast<std::int32_t>(r->faces.size());
                                         },
                                         true});
        ASSERT_OK(made);
        engine_ = std::move(*made);
        engine_->begin_source(0);
    }

    // The picture through the flow, once and alone.
    // `anew`: so long after the last one that nothing is followed into it.
    counts pass(const host_frame& picture, bool anew = false) {
        const counts before = counted();
        host_frame f = picture;
        f.id.sequence = sequence_++;
        pts_ns_ += anew ? 2'000'000'000 : 33'000'000;
        f.pts_ns = pts_ns_;
        EXPECT_OK(engine_->submit(f));
        engine_->drain();
        return counted() - before;
    }

    analysis::plan_result planned(const image& picture) const {
        analysis::plan_request r;
        r.width = picture.width;
        r.height = picture.height;
        r.format = picture.format;
        r.faces = faces_;
        r.flow = chosen.flow;
        r.link = chosen.link;
        r.cache = chosen.tuning.cache;
        r.batch = chosen.tuning.batch;
        r.pinned = chosen.tuning.pinned;
        r.cache_ttl = chosen.tuning.cache_ttl;
        auto p = analysis::plan(r);
        EXPECT_OK(p);
        return p.value_or(analysis::plan_result{});
    }

    static void expect_equal(const counts& c, const analysis::plan_result& p) {
        EXPECT_EQ(static_cast<double>(c.up), p.host_to_device_per_frame);
        EXPECT_EQ(static_cast<double>(c.up_bytes), p.host_to_device_bytes_per_frame);
        EXPECT_EQ(static_cast<double>(c.down), p.device_to_host_per_frame);
        EXPECT_EQ(static_cast<double>(c.down_bytes), p.device_to_host_bytes_per_frame);
        EXPECT_EQ(static_cast<double>(c.syncs), p.syncs_per_frame);
        const auto asked = static_cast<double>(c.hits + c.misses);
        EXPECT_EQ(asked > 0 ? std::optional(static_cast<double>(c.hits) / asked) : std::nullopt, p.cache_hit_rate);
        EXPECT_EQ(static_cast<std::int64_t>(c.link_ns), std::llround(p.link_ms_per_frame * 1e6));
    }

    std::unique_ptr<face_engine> engine_;
    std::int32_t faces_ = 0;  // of the last picture

private:
    counts counted() const {
        counts c;
        for (const auto& d : engine_->devices()) {
            const ledger& book = d->book();
            const auto up = book.transfers(direction::host_to_device), down = book.transfers(direction::device_to_host);
            c.up += up.count;
            c.up_bytes += up.bytes;
            c.down += down.count;
            c.down_bytes += down.bytes;
            c.syncs += book.syncs();
            c.link_ns += book.link_ns(direction::host_to_device) + book.link_ns(direction::device_to_host);
        }
        c.hits = engine_->cache().hits;
        c.misses = engine_->cache().misses;
        return c;
    }

    std::uint64_t sequence_ = 0;
    std::int64_t pts_ns_ = 0;
};

TEST_P(plan_of, every_size_format_and_number_of_faces_is_what_the_run_counts) {
    painting blank(pixel_format::nv12, 640, 360), odd(pixel_format::bgr24, 641, 363),
        deep(pixel_format::p010le, 322, 200), one(pixel_format::gray8, 480, 480), nine(pixel_format::gray8, 720, 720),
        many(pixel_format::gray8, 640, 640);
    const image& demo = frames.front().picture;
    tile(one, demo, 1);
    tile(nine, demo, 3);
    tile(many, demo, 5);
    // In the order of their faces: a flow that has made room for many keeps it for a while.
    const struct {
        const host_frame& of;
        std::int32_t faces;
    } pictures[] = {{blank.of, 0}, {odd.of, 0}, {deep.of, 0}, {one.of, 1}, {frames[0], 4}, {nine.of, 9}, {many.of, 25}};
    ASSERT_NO_FATAL_FAILURE(open());
    for (const auto& p : pictures) {
        static_cast<void>(pass(p.of, true));
        ASSERT_EQ(faces_, p.faces) << "the picture does not show what this test needs";
        const auto expected = planned(p.of.picture);
        for (int again = 0; again < 2; ++again) {
            SCOPED_TRACE(testing::Message() << p.faces << " faces, " << name(p.of.picture.format));
            expect_equal(pass(p.of), expected);
        }
    }
}

TEST_P(plan_of, the_first_frame_takes_what_is_said_besides) {
    painting many(pixel_format::gray8, 640, 640);
    tile(many, frames.front().picture, 5);
    for (const host_frame* picture : std::initializer_list<const host_frame*>{&frames[0], &many.of}) {
        ASSERT_NO_FATAL_FAILURE(open());
        const counts first = pass(*picture);
        const auto p = planned(picture->picture);
        const double followed = chosen.flow == flow_kind::cached ? 1 : 0;  // nothing yet: one upload less
        EXPECT_EQ(static_cast<double>(first.up), p.host_to_device_per_frame - followed);
        EXPECT_EQ(static_cast<double>(first.down),
                  p.device_to_host_per_frame + static_cast<double>(p.first_frame.device_to_host));
        EXPECT_EQ(static_cast<double>(first.down_bytes),
                  p.device_to_host_bytes_per_frame + static_cast<double>(p.first_frame.device_to_host_bytes));
        EXPECT_EQ(static_cast<double>(first.syncs), p.syncs_per_frame + static_cast<double>(p.first_frame.syncs));
    }
}

TEST_P(plan_of, memory_is_what_the_pools_held_at_most) {
    chosen.pacing = pacing::live;
    chosen.tuning.cache_ttl = 0;  // how many frames are cached at once is a matter of time
    ASSERT_NO_FATAL_FAILURE(open());
    for (int i = 0; i < 8; ++i)
        static_cast<void>(pass(frames[0]));
    const auto p = planned(frames[0].picture);
    if (chosen.flow == flow_kind::threaded && !chosen.tuning.cache) {
        EXPECT_LE(engine_->peak_device_bytes(), p.device_memory_bytes) << "one frame at a time needs less";
    } else {
        EXPECT_EQ(engine_->peak_device_bytes(), p.device_memory_bytes);
    }
    EXPECT_EQ(p.pool_limit_bytes, engine_->devices().front()->pool().limit_bytes());
}

INSTANTIATE_TEST_SUITE_P(
    flows, plan_of,
    testing::Values(setting{"copied"}, setting{"copied", "pcie3", false, false, false}, setting{"cached"},
                    setting{"cached", "pcie3", false}, setting{"cached", "pcie5", true, false},
                    setting{"cached", "pcie4", true, true, false}, setting{"cached", "pcie3", false, false, false},
                    setting{"cached", "none", true, true, true, 0}, setting{"shared"},
                    setting{"shared", "pcie3", false, false}, setting{"shared", "pcie5", true, true, false},
                    setting{"threaded"}, setting{"threaded", "pcie3", false},
                    setting{"threaded", "pcie5", true, false, false}, setting{"fused"},
                    setting{"fused", "pcie3", false}, setting{"fused", "pcie5", true, false},
                    setting{"fused", "pcie4", true, true, false}, setting{"fused", "none", true, true, true, 0}),
    [](const auto& s) { return label_of(s.param); });

}  // namespace
}  // namespace faceflow::internal
