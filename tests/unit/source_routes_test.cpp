// SPDX-License-Identifier: Apache-2.0
#include "flow/io/source_routes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace faceflow::internal::flow {
namespace {

// What source_routes promises, by counting everything anew each time.
class naive_routes {
public:
    naive_routes(std::size_t devices, std::size_t lanes) : devices_(devices), lanes_(lanes) {}

    route begin(std::uint32_t source, std::uint64_t load, std::optional<std::size_t> on) {
        for (auto& s : sources_) {
            if (s.number != source) continue;
            s.load = load;
            if (!on || *on == s.to.device) return s.to;
        }
        end(source);
        route to;
        to.device = on ? *on : lightest(devices_, [](const one& s) { return s.to.device; }, {});
        to.lane = lightest(
            lanes_, [](const one& s) { return s.to.lane; }, to.device);
        sources_.push_back({source, load, to});
        return to;
    }
    void end(std::uint32_t source) {
        sources_.erase(
            std::remove_if(sources_.begin(), sources_.end(), [&](const one& s) { return s.number == source; }),
            sources_.end());
    }
    [[nodiscard]] std::uint64_t load(std::size_t device) const {
        std::uint64_t sum = 0;
        for (const auto& s : sources_)
            sum += s.to.device == device ? s.load : 0;
        return sum;
    }

private:
    struct one {
        std::uint32_t number;
        std::uint64_t load;
        route to;
    };
    template <class PlaceOf>
    std::size_t lightest(std::size_t places, const PlaceOf& place_of, std::optional<std::size_t> device) const {
        std::size_t best = 0;
        std::pair<std::uint64_t, int> least{UINT64_MAX, 0};
        for (std::size_t p = 0; p < places; ++p) {
            std::pair<std::uint64_t, int> there{0, 0};
            for (const auto& s : sources_) {
                if (place_of(s) != p || (device && s.to.device != *device)) continue;
                there.first += s.load;
                ++there.second;
            }
            if (there < least) {
                least = there;
                best = p;
            }
        }
        return best;
    }
    std::size_t devices_, lanes_;
    std::vector<one> sources_;
};

TEST(source_routes, are_those_that_counting_everything_gives) {
    for (unsigned seed = 0; seed < 40; ++seed) {
        std::mt19937 random(seed);
        const std::size_t devices = 1 + random() % 4, lanes = 1 + random() % 3;
        source_routes routes(devices);
        routes.share_among(lanes);
        naive_routes naive(devices, lanes);
        constexpr std::uint64_t loads[] = {1, 6'912'000, 62'208'000, 62'208'000, 248'832'000};
        for (int step = 0; step < 500; ++step) {
            const auto source = static_cast<std::uint32_t>(random() % 24);
            if (random() % 3 == 0) {
                routes.end(source);
                naive.end(source);
            } else {
                const std::uint64_t load = loads[random() % std::size(loads)];
                std::optional<std::size_t> on;
                if (random() % 4 == 0) on = random() % devices;
                ASSERT_EQ(routes.begin(source, load, on), naive.begin(source, load, on)) << seed << ", " << step;
            }
            for (std::size_t d = 0; d < devices; ++d)
                ASSERT_EQ(routes.load(d), naive.load(d)) << seed << ", " << step;
        }
    }
}

TEST(source_routes, equal_sources_take_turns) {
    source_routes routes(3);
    for (std::uint32_t s = 0; s < 9; ++s)
        EXPECT_EQ(routes.begin(s, 5).device, s % 3);
}

TEST(source_routes, no_device_has_more_than_one_source_beyond_another_whatever_their_order) {
    for (unsigned seed = 0; seed < 50; ++seed) {
        std::mt19937 random(seed);
        source_routes routes(2);
        std::uint64_t largest = 0;
        for (std::uint32_t s = 0; s < 12; ++s) {
            const std::uint64_t load = random() % 3 == 0 ? load_of(3840, 2160, 30) : load_of(640, 360, 30);
            largest = std::max(largest, load);
            routes.begin(s, load);
        }
        const auto [less, more] = std::minmax({routes.load(0), routes.load(1)});
        EXPECT_LE(more - less, largest);
    }
}

TEST(source_routes, four_large_cameras_between_eight_small_ones_are_not_on_one_device) {
    source_routes routes(2);
    std::size_t large[2] = {};
    for (std::uint32_t s = 0; s < 12; ++s) {
        const bool is_large = s < 8 && s % 2 == 0;  // all even: numbers modulo two would put them together
        const auto to = routes.begin(s, is_large ? load_of(3840, 2160, 30) : load_of(640, 360, 30));
        large[to.device] += is_large ? 1 : 0;
    }
    EXPECT_EQ(large[0], 2u);
    EXPECT_EQ(large[1], 2u);
}

TEST(source_routes, a_source_stays_where_it_is_while_it_lasts) {
    source_routes routes(2);
    const route there = routes.begin(0, 10);
    routes.begin(1, 1);
    EXPECT_EQ(routes.begin(0, 1000), there) << "its load turned out to be larger";
    EXPECT_EQ(routes.load(there.device), 1000u);
    routes.end(0);
    routes.end(0);
    EXPECT_EQ(routes.load(there.device), 0u);
}

TEST(source_routes, sources_that_were_there_first_are_shared_out_among_lanes) {
    source_routes routes(2);
    for (std::uint32_t s = 0; s < 8; ++s)
        routes.begin(s, 1);
    routes.share_among(2);
    for (std::uint32_t s = 0; s < 8; ++s)
        EXPECT_EQ(routes.begin(s, 1), (route{s % 2, s / 2 % 2}));
}

TEST(source_routes, any_thread_may_ask) {
    source_routes routes(2);
    std::vector<std::thread> threads;
    for (std::uint32_t t = 0; t < 4; ++t) {
        threads.emplace_back([&routes, t] {
            for (std::uint32_t i = 0; i < 500; ++i) {
                routes.begin(t * 8 + i % 8, 3);
                if (i % 3 == 0) routes.end(t * 8 + i % 8);
            }
            for (std::uint32_t i = 0; i < 8; ++i)
                routes.end(t * 8 + i);
        });
    }
    for (auto& t : threads)
        t.join();
    EXPECT_EQ(routes.load(0) + routes.load(1), 0u);
}

TEST(load_of, is_pixels_a_second_and_never_nothing) {
    EXPECT_EQ(load_of(640, 360, 30), 6'912'000u);
    EXPECT_EQ(load_of(0, 0, 0), load_of(1920, 1080, 30)) << "not known";
    EXPECT_EQ(load_of(640, 360, 0), load_of(640, 360, 30));
    EXPECT_EQ(load_of(640, 360, std::numeric_limits<double>::quiet_NaN()), load_of(640, 360, 30));
    EXPECT_EQ(load_of(1, 1, 0.001), 1u);
    // Sums of what files make up do not overflow.
    EXPECT_LT(load_of(INT32_MAX, INT32_MAX, 1e300), UINT64_MAX / 4096);
}

}  // namespace
}  // namespace faceflow::internal::flow
