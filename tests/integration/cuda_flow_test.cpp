// SPDX-License-Identifier: Apache-2.0
// Faces on a CUDA device: those of the CPU, one upload a frame and one wait a pass. Skipped where there is no such device; what
// is said then is tested everywhere.
#include <gmock/gmock.h>

#include "backends/back_end.hpp"
#include "flow/option_table.hpp"
#include "flow/stages/models.hpp"
#include "flow_testing.hpp"
#include "inference/catalogue.hpp"
#include "inference/network.hpp"
#include "inference/session.hpp"
#include "onnxruntime_testing.hpp"

namespace faceflow::internal {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(cuda_provider, says_what_is_missing_and_what_to_do) {
    SKIP_WITHOUT_ONNXRUNTIME();
    const auto runtime = inference::runtime::create({1});
    ASSERT_OK(runtime);
    const auto usable = (*runtime)->check_cuda();
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
    void signal(semaphore& t, std::uint64_t value) override { beneath_->signal(t, value); }
    void wait(const semaphore& t, std::uint64_t value) override { beneath_->wait(t, value); }
    result<void> take_error() override { return beneath_->take_error(); }
    void* handle() const noexcept override { return beneath_.get(); }

private:
    device& owner_;
    const std::unique_ptr<stream> beneath_;
};

TEST(cuda_provider, that_cannot_be_had_makes_loading_a_model_an_error_value) {
    SKIP_WITHOUT_ONNXRUNTIME();
    const auto runtime = inference::runtime::create({1});
    ASSERT_OK(runtime);
    if ((*runtime)->check_cuda()) GTEST_SKIP() << "models can run on CUDA here";
    const auto on = std::move(open_devices({"emulated", std::size_t{64} << 20, "none"}).value().front());
    pretended_stream home(*on);
    const auto file = test::checkout() / "models/face_landmark_with_attention.onnx";
    for (int again = 0; again < 2; ++again) {
        const auto model = (*runtime)->load(file, inference::threading::caller, {.home = &home});
        ASSERT_FALSE(model);
        EXPECT_EQ(model.error().code, errc::unavailable) << model.error().message;
        EXPECT_THAT(model.error().message, HasSubstr("models cannot run on CUDA: "));
    }
    EXPECT_EQ(on->pool().used_bytes(), 0u);
    EXPECT_OK((*runtime)->load(file, inference::threading::caller)) << "the CPU goes on";
}

TEST(engine_devices, auto_is_the_cpu_without_a_note_if_there_is_no_gpu) {
    if (open_devices({.name = "cuda"})) GTEST_SKIP() << "there is a CUDA device";
    options o;
    o.threads = 1;
    const auto engine = face_engine::create({o, [](const host_frame&, const result<frame_faces>&) {}});
    ASSERT_OK(engine);
    EXPECT_EQ((*engine)->devices().front()->kind(), device_kind::cpu);
    EXPECT_THAT((*engine)->notes(), IsEmpty());
    EXPECT_EQ((*engine)->chosen().tuning.batch_frames, 1) << "the usual batch of a CPU";
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
        chosen.flow = flow::value_of<&options::flow>(GetParam()).value();
        chosen.device = "cuda";
        chosen.threads = 4;
    }

    // The same frames on the CPU, in single precision.
    test::measured run_on_cpu() {
        const options before = chosen;
        chosen.device = "cpu";
        auto m = run();
        chosen = before;
        return m;
    }
    void expect_faces_of_the_cpu(const test::measured& m) {
        const auto d = test::mesh_distance_between(run_on_cpu().faces, m.faces);
        EXPECT_LE(d.mean, 0.02);
        EXPECT_LE(d.most, 0.2);
        RecordProperty("mean_landmark_distance", std::to_string(d.mean));
        RecordProperty("farthest_landmark", std::to_string(d.most));
    }
};

TEST_P(cuda_flow, finds_the_faces_of_the_cpu_with_one_upload_a_frame_and_one_wait_a_download) {
    const auto m = run();
    EXPECT_EQ(m.inference, inference_backend::native);
    EXPECT_THAT(m.warnings, IsEmpty());
    EXPECT_THAT(m.notes, IsEmpty()) << "every pass is a graph";
    EXPECT_EQ(m.up.count, frames.size());
    EXPECT_EQ(m.up.pinned_bytes, m.up.bytes);
    EXPECT_EQ(m.syncs, m.down.count);
    EXPECT_LE(m.down.count, frames.size() + 1) << "but for a first frame with more faces than there was room for";
    EXPECT_LE(m.peak, m.limit);
    EXPECT_THAT(m.errors, IsEmpty());
    EXPECT_THAT(m.dropped, IsEmpty());
    EXPECT_GT(m.timed, 0u) << "stages are timed";
    expect_faces_of_the_cpu(m);
}

TEST_P(cuda_flow, graphs_give_the_bytes_of_passes_without) {
    chosen.tuning.graphs = true;
    const auto with = run();
    chosen.tuning.graphs = false;
    const auto without = run();
    ASSERT_EQ(with.faces.size(), frames.size());
    EXPECT_TRUE(test::same(with.faces, without.faces));
    EXPECT_EQ(with.up.count, without.up.count);
    EXPECT_EQ(with.up.bytes, without.up.bytes);
}

TEST_P(cuda_flow, a_pool_that_is_too_small_is_an_error_value) {
    chosen.device_memory = std::size_t{4} << 20;
    const auto made = face_engine::create({chosen, [](const host_frame&, const result<frame_faces>&) {}});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::out_of_memory) << made.error().message;
}

TEST_P(cuda_flow, faces_one_by_one_are_those_of_the_cpu_too) {
    chosen.tuning.batch = false;
    expect_faces_of_the_cpu(run());
}

TEST_P(cuda_flow, followed_faces_are_those_of_the_cpu_too) {
    chosen.detect_every = 4;
    // What differs in a frame is carried into the next.
    EXPECT_LE(test::mesh_distance_between(run_on_cpu().faces, run().faces).most, 1);
}

INSTANTIATE_TEST_SUITE_P(flows, cuda_flow, testing::Values("fused", "threaded"),
                         [](const auto& flow) { return flow.param; });

class cuda_flow_models : public testing::Test {
protected:
    void SetUp() override {
        if (const auto usable = test::check_cuda(); !usable) GTEST_SKIP() << usable.error().message;
    }
    static constexpr const char* mesh = "face_landmark_with_attention";
};

TEST_F(cuda_flow_models, take_their_memory_from_the_pool_and_give_it_back) {
    const auto on = std::move(open_devices({"cuda", std::size_t{1} << 30, "none"}).value().front());
    const auto s = on->make_stream("test").value();
    const auto file = test::checkout() / "models" / (std::string(mesh) + ".onnx");
    {
        const auto model =
            make_native_network(*on, {file, inference::sha256_of(file).value(), inference::threading::caller});
        ASSERT_OK(model);
        const std::size_t weights = on->pool().used_bytes();
        EXPECT_GT(weights, test::mib);
        const auto bound = (*model)->bind(
            *s,
            {.height = 192, .width = 192, .most = 4, .outputs = {{"landmarks", {landmark_count, 3}}, {"score", {1}}}});
        ASSERT_OK(bound);
        EXPECT_GT(on->pool().used_bytes(), weights + std::size_t{4} * 192 * 192 * 8);
    }
    EXPECT_EQ(on->pool().used_bytes(), 0u);
}

TEST_F(cuda_flow_models, without_a_plan_run_on_onnx_runtime_or_say_what_that_lacks) {
    const test::temporary_folder models;
    for (const char* file : {"catalogue.toml", "face_landmark_with_attention.onnx", "face_detection_full_range.onnx"})
        fs::create_symlink(test::checkout() / "models" / file, models / file);
    options o;
    o.device = "cuda";
    o.detector = detector::blazeface;
    o.models = models.path();
    const auto made = face_engine::create({o, [](const host_frame&, const result<frame_faces>&) {}});
    if (made) {
        EXPECT_EQ((*made)->chosen().inference, inference_backend::cuda);
        EXPECT_EQ((*made)->chosen().precision, precision::fp32);
        EXPECT_THAT((*made)->notes(), Contains(AllOf(HasSubstr("ONNX Runtime"), HasSubstr("there is no plan"))));
    } else if (test::without_onnxruntime().empty()) {
        EXPECT_EQ(made.error().code, errc::unavailable);
        EXPECT_THAT(made.error().message, HasSubstr("models cannot run on CUDA: "));
    } else {
        EXPECT_THAT(made.error().message, AllOf(HasSubstr("there is no plan"), HasSubstr("no ONNX Runtime")));
    }
    o.inference = inference_backend::native;
    const auto refused = face_engine::create({o, [](const host_frame&, const result<frame_faces>&) {}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::unsupported);
    EXPECT_THAT(refused.error().message, HasSubstr("there is no plan"));
}

}  // namespace
}  // namespace faceflow::internal
