// SPDX-License-Identifier: Apache-2.0
// Passes as graphs: one launch in place of the work piece by piece, with the same faces and the same books.
#include "flow/option_table.hpp"
#include "flow_testing.hpp"
#include "inference/session.hpp"
#include "onnxruntime_testing.hpp"

namespace faceflow::internal {
namespace {

class pass_graph_test : public test::flow_test {};

TEST_F(pass_graph_test, give_the_bits_and_the_transfers_of_passes_without) {
    chosen.tuning.lanes = 1;
    for (const std::int32_t together : {1, 3}) {
        chosen.tuning.batch_frames = together;
        chosen.tuning.graphs = true;
        const test::measured with = run();
        chosen.tuning.graphs = false;
        const test::measured without = run();
        EXPECT_TRUE(test::same(with.faces, without.faces));
        EXPECT_EQ(with.up.count, without.up.count);
        EXPECT_EQ(with.up.bytes, without.up.bytes);
        EXPECT_EQ(with.syncs, with.down.count);
        EXPECT_GE(with.timed, with.down.count) << "twelve faces are meshed in two goes";
        if (together > 1) continue;  // how many passes there are then is a matter of time
        EXPECT_EQ(with.down.count, without.down.count);
        EXPECT_EQ(with.down.bytes, without.down.bytes);
        EXPECT_EQ(with.syncs, without.syncs);
        EXPECT_EQ(with.timed, without.timed);
    }
}

TEST_F(pass_graph_test, of_frames_that_are_not_detected_in_follow_the_faces_too) {
    chosen.detect_every = 4;
    chosen.tuning.graphs = true;
    const test::measured with = run();
    chosen.tuning.graphs = false;
    EXPECT_TRUE(test::same(with.faces, run().faces));
}

TEST_F(pass_graph_test, leave_out_results_in_pageable_memory_and_count_them_all_the_same) {
    chosen.tuning.graphs = true;
    chosen.tuning.pinned = false;  // results come down beside the graph
    const test::measured with = run();
    chosen.tuning.graphs = false;
    const test::measured without = run();
    EXPECT_TRUE(test::same(with.faces, without.faces));
    EXPECT_EQ(with.down.count, without.down.count);
    EXPECT_EQ(with.notes.size(), 0u);
}

// A network on ONNX Runtime, bound to memory of the emulated device.
class bound_network_test : public testing::Test {
protected:
    void SetUp() override {
        SKIP_WITHOUT_ONNXRUNTIME();
        device_ = std::move(open_devices({"emulated", std::size_t{64} << 20, "none"}).value().front());
        stream_ = device_->make_stream("test").value();
        done_ = device_->make_event().value();
        auto store = inference::model_store::open();
        ASSERT_OK(store);
        options chosen;
        chosen.detector = detector::blazeface;
        chosen.inference = inference_backend::onnxruntime;
        const auto runtime = [] { return inference::runtime::create({1}); };
        auto models = flow::load_models({.chosen = chosen,
                                         .store = *store,
                                         .on = *device_,
                                         .runtime = runtime,
                                         .how = inference::threading::caller,
                                         .parts = {.detector = true, .mesh = false}});
        ASSERT_OK(models);
        models_ = std::move(*models);
    }
    inference::binding_request request(std::int32_t most) const {
        return {.height = 192, .width = 192, .most = most, .outputs = models_.detector_outputs()};
    }
    std::vector<float> scores(const inference::bound_network& of, std::int32_t picture) {
        const float* const at = of.output("scores");
        auto* mapped = reinterpret_cast<const float*>(
            device_->kernel_address(const_cast<std::byte*>(reinterpret_cast<const std::byte*>(at))));
        EXPECT_OK(synchronise(*stream_, *done_, {stage::detect, {}}));
        return {mapped + picture * 2304, mapped + (picture + 1) * 2304};
    }
    // Each picture another one.
    void fill(const inference::bound_network& of, std::int32_t pictures) {
        auto* at = reinterpret_cast<float*>(device_->kernel_address(of.input()));
        const std::int32_t floats = pictures * 3 * 192 * 192;
        for (std::int32_t i = 0; i < floats; ++i)
            at[i] = static_cast<float>(i % 1013) / 1013;
    }

    std::unique_ptr<device> device_;
    std::unique_ptr<stream> stream_;
    std::unique_ptr<event> done_;
    flow::model_set models_;
};

TEST_F(bound_network_test, runs_a_part_of_its_pictures_and_leaves_the_others) {
    auto bound = models_.detector->bind(*stream_, request(3));
    ASSERT_OK(bound);
    fill(**bound, 3);
    (*bound)->add_run(*stream_, 0, 3);
    const auto all = scores(**bound, 1);
    auto another = models_.detector->bind(*stream_, request(3));
    ASSERT_OK(another);
    fill(**another, 3);
    (*another)->add_run(*stream_, 1, 1);
    const auto alone = scores(**another, 1);
    for (std::size_t i = 0; i < all.size(); ++i)
        ASSERT_NEAR(alone[i], all[i], 1e-4f) << i;
    EXPECT_NE(alone, scores(**another, 2)) << "which nothing ran";
}

TEST_F(bound_network_test, an_output_that_the_model_has_not_is_known_before_the_first_run) {
    auto wanted = request(1);
    wanted.outputs.push_back({"landmarks", {3}});
    const auto bound = models_.detector->bind(*stream_, wanted);
    ASSERT_FALSE(bound);
    EXPECT_EQ(bound.error().code, errc::corrupt) << bound.error().message;
}

TEST_F(bound_network_test, takes_its_memory_from_the_pool_and_gives_it_back) {
    const std::size_t before = device_->pool().used_bytes();
    {
        auto bound = models_.detector->bind(*stream_, request(2));
        ASSERT_OK(bound);
        EXPECT_GE(device_->pool().used_bytes() - before, std::size_t{2} * 3 * 192 * 192 * sizeof(float));
        EXPECT_EQ((*bound)->output("no such"), nullptr);
    }
    EXPECT_EQ(device_->pool().used_bytes(), before);
}

struct inference_choice {
    std::string inference, precision;
    bool operator==(const inference_choice&) const = default;
};

result<inference_choice> chosen(const inference_choice& wanted, bool on_host) {
    options o;
    o.inference = flow::value_of<&options::inference>(wanted.inference).value();
    o.precision = flow::value_of<&options::precision>(wanted.precision).value();
    if (auto r = flow::choose_inference(o, on_host); !r) return tl::unexpected(std::move(r.error()));
    return inference_choice{std::string(name(o.inference)), std::string(name(o.precision))};
}
result<inference_choice> chosen_on_gpu(const inference_choice& wanted) {
    return chosen(wanted, false);
}

TEST(inference_choice, on_a_host_is_kernels_of_our_own_unless_onnx_runtime_is_asked_for) {
    for (const char* precision : {"auto", "fp32"}) {
        EXPECT_EQ(chosen({"auto", precision}, true).value(), (inference_choice{"native", "fp32"}));
        EXPECT_EQ(chosen({"native", precision}, true).value(), (inference_choice{"native", "fp32"}));
        EXPECT_EQ(chosen({"onnxruntime", precision}, true).value(), (inference_choice{"onnxruntime", "fp32"}));
    }
    for (const char* precision : {"fp16", "tf32"})
        EXPECT_EQ(chosen({"native", precision}, true).error().code, errc::invalid_argument) << precision;
    for (const char* of_cards : {"cuda", "tensorrt"})
        EXPECT_EQ(chosen({of_cards, "auto"}, true).error().code, errc::invalid_argument) << of_cards;
    EXPECT_EQ(chosen({"onnxruntime", "bf16"}, true).error().code, errc::invalid_argument);
    const bool able = inference::check_host_precision(inference::host_precision::bf16).has_value();
    for (const char* own : {"auto", "native"}) {
        const auto bf16 = chosen({own, "bf16"}, true);
        ASSERT_EQ(bf16.has_value(), able);
        if (able) {
            EXPECT_EQ(*bf16, (inference_choice{"native", "bf16"}));
        } else {
            EXPECT_EQ(bf16.error().code, errc::unsupported);
        }
    }
}

TEST(inference_choice, on_a_gpu_is_kernels_of_our_own_unless_single_precision_is_asked_for) {
    EXPECT_EQ(chosen_on_gpu({"auto", "auto"}).value(), (inference_choice{"native", "fp16"}));
    EXPECT_EQ(chosen_on_gpu({"auto", "fp16"}).value(), (inference_choice{"native", "fp16"}));
    EXPECT_EQ(chosen_on_gpu({"auto", "fp32"}).value(), (inference_choice{"cuda", "fp32"}));
    EXPECT_EQ(chosen_on_gpu({"auto", "tf32"}).value(), (inference_choice{"cuda", "tf32"}));
    EXPECT_EQ(chosen_on_gpu({"onnxruntime", "auto"}).value(), (inference_choice{"cuda", "fp32"}));
    EXPECT_EQ(chosen_on_gpu({"tensorrt", "auto"}).value(), (inference_choice{"tensorrt", "fp32"}));
    EXPECT_EQ(chosen_on_gpu({"tensorrt", "fp16"}).value(), (inference_choice{"tensorrt", "fp16"}));
}

TEST(inference_choice, refuses_a_precision_that_it_has_not) {
    for (const auto& wrong : {inference_choice{"native", "fp32"}, {"native", "tf32"}, {"cuda", "fp16"}}) {
        const auto refused = chosen_on_gpu(wrong);
        ASSERT_FALSE(refused) << wrong.inference << ' ' << wrong.precision;
        EXPECT_EQ(refused.error().code, errc::invalid_argument);
        EXPECT_NE(refused.error().message.find("--inference"), std::string::npos) << refused.error().message;
    }
    for (const char* runs : {"auto", "native", "cuda", "tensorrt"})
        EXPECT_EQ(chosen_on_gpu({runs, "bf16"}).error().code, errc::invalid_argument) << runs;
}

}  // namespace
}  // namespace faceflow::internal
