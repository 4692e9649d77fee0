// Faces on a CUDA device: those of the CPU, one upload a frame and one wait a pass. Skipped where there is no such device; what
// is said then is tested everywhere.
#include <gmock/gmock.h>

#include "flow_testing.hpp"

namespace faceflow {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(cuda_provider, says_what_is_missing_and_what_to_do) {
    const auto runtime = inference::runtime::create({1});
    ASSERT_OK(runtime);
    const auto usable = inference::check_cuda_provider(**runtime);
    if (usable) GTEST_SKIP() << "models can run on CUDA here";
    EXPECT_EQ(usable.error().code, errc::unavailable);
    EXPECT_THAT(usable.error().message, HasSubstr("models cannot run on CUDA: "));
    EXPECT_THAT(usable.error().message, AnyOf(HasSubstr("make setup GPU=1"), HasSubstr("LD_LIBRARY_PATH")));
}

// A stream that libraries take for one of CUDA's.
class pretended_stream : public stream {
public:
    explicit pretended_stream(device& owner) : owner_(owner), beneath_(owner.make_stream("pretended").value()) {}
    device& owner() const noexcept override { return owner_; }
    const std::string& label() const noexcept override { return beneath_->label(); }
    void run(task work) override { beneath_->run(std::move(work)); }
    void enqueue(task adds) override { static_cast<void>(attempt(adds)); }
    void record(event& e) override { beneath_->record(e); }
    void wait(const event& e) override { beneath_->wait(e); }
    void signal(timeline& t, std::uint64_t value) override { beneath_->signal(t, value); }
    void wait(const timeline& t, std::uint64_t value) override { beneath_->wait(t, value); }
    result<void> take_error() override { return beneath_->take_error(); }
    void* handle() const noexcept override { return beneath_.get(); }

private:
    device& owner_;
    const std::unique_ptr<stream> beneath_;
};

TEST(cuda_provider, that_cannot_be_had_makes_loading_a_model_an_error_value) {
    const auto runtime = inference::runtime::create({1});
    ASSERT_OK(runtime);
    if (inference::check_cuda_provider(**runtime)) GTEST_SKIP() << "models can run on CUDA here";
    const auto on = std::move(open_devices({"emulated", std::size_t{64} << 20, "none"}).value().front());
    pretended_stream home(*on);
    const auto file = test::checkout() / "models/face_landmark_with_attention.onnx";
    for (int again = 0; again < 2; ++again) {
        const auto model = inference::session::load(*runtime, file, inference::threading::caller, {.home = &home});
        ASSERT_FALSE(model);
        EXPECT_EQ(model.error().code, errc::unavailable) << model.error().message;
        EXPECT_THAT(model.error().message, HasSubstr("models cannot run on CUDA: "));
    }
    EXPECT_EQ(on->pool().used_bytes(), 0u);
    EXPECT_OK(inference::session::load(*runtime, file, inference::threading::caller)) << "the CPU goes on";
}

TEST(engine_devices, auto_is_the_cpu_without_a_word_where_there_is_no_gpu) {
    if (open_devices({.name = "cuda"})) GTEST_SKIP() << "there is a CUDA device";
    options o;
    o.threads = 1;
    const auto engine = face_engine::create({o, [](const host_frame&, const result<frame_faces>&) {}});
    ASSERT_OK(engine);
    EXPECT_EQ((*engine)->devices().front()->kind(), device_kind::cpu);
    EXPECT_THAT((*engine)->notes(), IsEmpty());
    EXPECT_EQ((*engine)->chosen().batch_frames, 1) << "the usual batch of a CPU";
    o.device = "cuda";
    const auto none = face_engine::create({o, [](const host_frame&, const result<frame_faces>&) {}});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, errc::unavailable);
    EXPECT_THAT(none.error().message, HasSubstr("no CUDA device"));
}

class cuda_flow : public test::flow_test, public testing::WithParamInterface<std::string> {
protected:
    void SetUp() override {
        test::flow_test::SetUp();
        if (IsSkipped()) return;
        if (const auto usable = test::check_cuda(); !usable) GTEST_SKIP() << usable.error().message;
        use_full_size();
        chosen.flow = GetParam();
        chosen.device = "cuda";
        chosen.threads = 4;
    }

    // The same frames on the CPU, with their tracks, to within `pixels`.
    void expect_faces_of_the_cpu(const test::measured& m, float pixels) {
        chosen.device = "cpu";
        const auto cpu = run();
        ASSERT_EQ(m.faces.size(), cpu.faces.size());
        float most = 0;
        for (std::size_t i = 0; i < m.faces.size(); ++i) {
            EXPECT_EQ(m.faces[i].id, cpu.faces[i].id);
            ASSERT_EQ(m.faces[i].faces.size(), cpu.faces[i].faces.size()) << "frame " << i;
            for (std::size_t k = 0; k < m.faces[i].faces.size(); ++k) {
                const face &a = m.faces[i].faces[k], &b = cpu.faces[i].faces[k];
                EXPECT_EQ(a.track, b.track);
                EXPECT_NEAR(a.score, b.score, 0.01);
                for (std::size_t l = 0; l < landmark_count; ++l) {
                    most = std::max({most, std::abs(a.landmarks[l].x - b.landmarks[l].x),
                                     std::abs(a.landmarks[l].y - b.landmarks[l].y)});
                }
            }
        }
        EXPECT_LT(most, pixels);
        RecordProperty("farthest_landmark", std::to_string(most));
    }
};

TEST_P(cuda_flow, finds_the_faces_of_the_cpu_with_one_upload_a_frame_and_one_wait_a_download) {
    const auto m = run();
    EXPECT_THAT(m.warnings, IsEmpty()) << "every node of the models runs on the device";
    EXPECT_EQ(m.up.count, frames.size());
    EXPECT_EQ(m.up.pinned_bytes, m.up.bytes);
    EXPECT_EQ(m.syncs, m.down.count);
    EXPECT_LE(m.down.count, frames.size() + 1) << "but for a first frame with more faces than there was room for";
    EXPECT_LE(m.peak, m.limit);
    EXPECT_THAT(m.errors, IsEmpty());
    EXPECT_THAT(m.dropped, IsEmpty());
    EXPECT_GT(m.timed, 0u) << "stages are timed";
    expect_faces_of_the_cpu(m, 0.5f);
}

TEST_P(cuda_flow, models_take_their_memory_from_the_pool) {
    // Weights of both models and what they work in: more than the frames and workspaces of one lane.
    chosen.batch_frames = 1;
    chosen.device_memory = std::size_t{1} << 30;
    const auto on = std::move(open_devices({"cuda", chosen.device_memory, "none"}).value().front());
    const auto runtime = inference::runtime::create({1});
    const auto s = on->make_stream("test").value();
    const auto file = test::checkout() / "models/face_landmark_with_attention.onnx";
    {
        const auto model = inference::session::load(*runtime, file, inference::threading::caller, {.home = s.get()});
        ASSERT_OK(model);
        EXPECT_GT((*model)->device_bytes(), test::mib);
        EXPECT_EQ(on->pool().used_bytes(), (*model)->device_bytes());
        EXPECT_THAT((*model)->strays(), IsEmpty());
    }
    EXPECT_EQ(on->pool().used_bytes(), 0u);
}

TEST_P(cuda_flow, a_pool_that_is_too_small_is_an_error_value) {
    chosen.device_memory = std::size_t{4} << 20;
    const auto made = face_engine::create({chosen, [](const host_frame&, const result<frame_faces>&) {}});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::out_of_memory) << made.error().message;
}

TEST_P(cuda_flow, followed_faces_and_faces_one_by_one_are_those_of_the_cpu_too) {
    chosen.detect_every = 4;
    expect_faces_of_the_cpu(run(), 1);
    chosen.device = "cuda";
    chosen.detect_every = 1;
    chosen.batch = false;
    expect_faces_of_the_cpu(run(), 0.5f);
}

INSTANTIATE_TEST_SUITE_P(flows, cuda_flow, testing::Values("fused", "threaded"),
                         [](const auto& flow) { return flow.param; });

}  // namespace
}  // namespace faceflow
