// SPDX-License-Identifier: Apache-2.0
// The faces of results that another process may write.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <limits>
#include <vector>

#include "core/sealed_memory.hpp"
#include "flow/stages/stage_set.hpp"
#include "support.hpp"

namespace faceflow::internal::flow {
namespace {

class results_of_a_stage : public testing::Test {
protected:
    static constexpr std::int32_t room = 4;

    results_of_a_stage() {
        for (std::int32_t i = 0; i < room; ++i)
            results.records()[i].presence = 1;
    }
    result<frame_faces> faces() const { return faces_of(results, 0, room, host_frame{}, 0.5f); }

    std::vector<std::byte> memory{vision::pass_results::bytes(1, room)};
    const vision::pass_results results{new (memory.data()) vision::result_header, 1};
};

TEST_F(results_of_a_stage, are_taken_as_far_as_they_are_there) {
    *results.headers = {2, 2, 0, 0};
    EXPECT_EQ(faces().value().faces.size(), 2u);
    *results.headers = {4, 4, 0, 0};
    results.records()[1].presence = 0.2f;
    EXPECT_EQ(faces().value().faces.size(), 3u);
    *results.headers = {1, 1, 3, 0};
    EXPECT_EQ(faces().value().faces.size(), 1u);
    *results.headers = {0, 0, 4, 0};
    EXPECT_EQ(faces().value().faces.size(), 0u);
}

TEST_F(results_of_a_stage, have_a_quality_that_pixels_can_have) {
    *results.headers = {1, 1, 0, 0};
    constexpr float none = not_measured, infinite = std::numeric_limits<float>::infinity();
    results.records()[0].quality = {200, 50, 700};
    EXPECT_EQ(faces().value().faces[0].measures.brightness, 200);
    EXPECT_EQ(faces().value().faces[0].measures.contrast, 50);
    EXPECT_EQ(faces().value().faces[0].measures.sharpness, 700);
    results.records()[0].quality = {none, none, none};
    EXPECT_TRUE(faces());
    for (const vision::picture_quality& q :
         {vision::picture_quality{-1, 0, 0}, {256, 0, 0}, {0, -1, 0}, {0, infinite, 0}, {0, 0, -1}, {0, 0, infinite}}) {
        results.records()[0].quality = q;
        EXPECT_FALSE(faces()) << q.brightness << ", " << q.contrast << ", " << q.sharpness;
    }
}

TEST_F(results_of_a_stage, that_are_not_there_are_refused) {
    constexpr auto most = std::numeric_limits<std::int32_t>::max(), least = std::numeric_limits<std::int32_t>::min();
    for (const auto& [filled, first] : std::vector<std::pair<std::int32_t, std::int32_t>>{{-1, 0},
                                                                                          {least, 0},
                                                                                          {5, 0},
                                                                                          {most, 0},
                                                                                          {1, 4},
                                                                                          {2, 3},
                                                                                          {1, -1},
                                                                                          {1, most},
                                                                                          {most, most},
                                                                                          {0, 5},
                                                                                          {0, least}}) {
        *results.headers = {1, filled, first, 0};
        const auto refused = faces();
        ASSERT_FALSE(refused) << filled << " from " << first;
        EXPECT_EQ(refused.error().code, errc::corrupt);
    }
}

TEST_F(results_of_a_stage, with_numbers_that_no_face_has_are_refused) {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinite = std::numeric_limits<float>::infinity();
    *results.headers = {1, 1, 0, 0};
    auto& record = results.records()[0];
    for (float* number :
         {&record.found.box.x, &record.found.score, &record.found.keypoints[4].y, &record.landmarks[0].x,
          &record.landmarks[landmark_count - 1].z, &record.pose.yaw, &record.pose.matrix[15]}) {
        const float before = *number;
        for (const float wrong : {nan, infinite, -infinite, 2e6f}) {
            *number = wrong;
            EXPECT_FALSE(faces());
        }
        *number = before;
        EXPECT_TRUE(faces());
    }
    record.presence = infinite;
    EXPECT_FALSE(faces());
    record.presence = nan;  // not known to be a face
    EXPECT_EQ(faces().value().faces.size(), 0u);
}

// What is checked is what is used: between the two, another process writes.
TEST_F(results_of_a_stage, that_change_while_they_are_read_are_faces_or_refused) {
    const auto shared = make_sealed_memory("results", memory.size()).value();
    const auto here = map_sealed_memory(shared.get(), 0, memory.size(), access::read_write).value();
    std::memcpy(here.data(), memory.data(), memory.size());
    const vision::pass_results changing{reinterpret_cast<vision::result_header*>(here.data()), 1};
    const pid_t other = ::fork();
    if (other == 0) {
        volatile vision::result_header* const header = changing.headers;
        for (std::uint32_t i = 0;; ++i) {
            header->filled = i % 3 == 0 ? -1 : i % 3 == 1 ? 4 : 1'000'000;
            header->first = i % 2 == 0 ? 0 : 3;
        }
    }
    ASSERT_GT(other, 0);
    for (int i = 0; i < 20'000; ++i) {
        const auto found = faces_of(changing, 0, room, host_frame{}, 0.5f);
        EXPECT_TRUE(found ? found->faces.size() <= 4u : found.error().code == errc::corrupt);
    }
    ::kill(other, SIGKILL);
    ::waitpid(other, nullptr, 0);
}

}  // namespace
}  // namespace faceflow::internal::flow
