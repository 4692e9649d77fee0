// A model's batches, which of them a run takes, and their graphs, on the emulated device: the third run of a batch is a launch.
#include <gmock/gmock.h>

#include <algorithm>
#include <utility>

#include "device/open_devices.hpp"
#include "flow/workspace.hpp"
#include "inference/catalogue.hpp"
#include "support.hpp"

namespace faceflow::flow {
namespace {

constexpr std::size_t cap = std::size_t{64} << 20;

class batched_model_test : public testing::Test {
protected:
    void SetUp() override {
        auto runtime = inference::runtime::create({1});
        ASSERT_OK(runtime);
        auto store = inference::model_store::open();
        ASSERT_OK(store);
        options chosen;
        chosen.detector = detector::blazeface;
        auto models = load_models(chosen, *store, *runtime, inference::threading::caller, {true, false});
        ASSERT_OK(models);
        models_ = std::move(*models);
    }

    void open(const std::string& name) {
        auto devices = open_devices({name, cap, "none"});
        ASSERT_OK(devices);
        device_ = std::move(devices->front());
        auto made = device_->make_stream("test");
        ASSERT_OK(made);
        stream_ = std::move(*made);
        done_ = device_->make_event().value();
        auto memory = detector_memory::create(*device_, models_, 2);
        ASSERT_OK(memory);
        memory_ = std::make_unique<detector_memory>(std::move(*memory));
    }
    // Both pictures of the batch.
    void set_input(float value) {
        constexpr auto floats = std::size_t{2} * 3 * 192 * 192;
        auto* at = reinterpret_cast<float*>(device_->kernel_address(reinterpret_cast<std::byte*>(memory_->input())));
        stream_->run([at, value]() -> result<void> {
            for (std::size_t i = 0; i < floats; ++i)
                at[i] = value * static_cast<float>(i % 97) / 97;
            return {};
        });
    }
    std::vector<float> scores(std::int32_t frame = 0) {
        const vision::detector_output out = memory_->outputs(models_, frame);
        const auto* at = reinterpret_cast<const float*>(
            device_->kernel_address(const_cast<std::byte*>(reinterpret_cast<const std::byte*>(out.level[0].scores))));
        EXPECT_OK(synchronise(*stream_, *done_, {stage::detect, {}}));
        return {at, at + 2304};
    }
    void run(std::int32_t frames, bool graphs) { memory_->model().add_run(*stream_, frames, graphs); }

    // In steps of 1, 4, 8 and 16 on memory of this fixture, as on a GPU; every batch that is bound enters `bound_`.
    batched_model in_steps() {
        static constexpr std::int32_t sizes[] = {1, 4, 8, 32};
        return batched_model::create(batching::in_steps, sizes, 16,
                                     [this](std::int64_t n) {
                                         bound_.push_back(n);
                                         return bind(n);
                                     })
            .value();
    }
    result<inference::binding> bind(std::int64_t n) {
        const inference::session& model = models_.detector->any();
        const auto tensor = [n](std::vector<float>& memory, const std::string& name, std::vector<std::int64_t> shape) {
            shape.front() = n;
            std::size_t elements = 1;
            for (const auto extent : shape)
                elements *= static_cast<std::size_t>(extent);
            memory.resize(std::max(memory.size(), elements));
            return inference::bound_tensor{name, memory.data(), shape};
        };
        in_.reserve(std::size_t{16} * 3 * 192 * 192);  // bindings keep its address
        const auto in = tensor(in_, model.inputs().front().name, {1, 3, models_.detect_height, models_.detect_width});
        outs_.resize(models_.detector_shapes.size());
        std::vector<inference::bound_tensor> out;
        for (std::size_t i = 0; i < outs_.size(); ++i) {
            outs_[i].reserve(std::size_t{16} * 2304 * 16);
            out.push_back(tensor(outs_[i], model.outputs()[i].name, models_.detector_shapes[i]));
        }
        return inference::binding::create(models_.detector->for_batch(n).value(), {&in, 1}, out);
    }

    std::vector<std::int64_t> bound_;
    std::vector<float> in_;
    std::vector<std::vector<float>> outs_;
    model_set models_;
    std::unique_ptr<device> device_;
    std::unique_ptr<stream> stream_;
    std::unique_ptr<event> done_;
    std::unique_ptr<detector_memory> memory_;
};

TEST_F(batched_model_test, launches_give_the_bits_of_runs) {
    open("emulated");
    for (const std::int32_t frames : {1, 2}) {
        set_input(0.7f);
        run(frames, false);
        const auto wanted = scores(frames - 1);
        for (int i = 0; i < 5; ++i) {
            set_input(-0.2f);
            run(frames, true);
            EXPECT_NE(scores(frames - 1), wanted) << "another input, run " << i;
            set_input(0.7f);
            run(frames, true);
            EXPECT_EQ(scores(frames - 1), wanted) << frames << " frames, run " << i;
        }
    }
    EXPECT_EQ(memory_->model().graph_refusal(), "");
}

TEST_F(batched_model_test, runs_as_before_where_there_are_no_graphs) {
    open("cpu");
    set_input(0.7f);
    run(1, false);
    const auto wanted = scores();
    for (int i = 0; i < 4; ++i) {
        run(1, true);
        EXPECT_EQ(scores(), wanted);
    }
    EXPECT_NE(memory_->model().graph_refusal().find("no graphs"), std::string::npos);
}

TEST_F(batched_model_test, a_stream_that_failed_costs_no_batch_its_graph) {
    open("emulated");
    set_input(0.7f);
    run(1, true);
    run(1, true);
    const auto wanted = scores();
    stream_->run([]() -> result<void> { return fail(errc::corrupt, "broken"); });
    run(1, true);
    EXPECT_FALSE(synchronise(*stream_, *done_, {stage::detect, {}}));
    for (int i = 0; i < 2; ++i) {
        set_input(0.7f);
        run(1, true);
        EXPECT_EQ(scores(), wanted);
    }
    EXPECT_EQ(memory_->model().graph_refusal(), "");
}

TEST_F(batched_model_test, in_steps_a_run_takes_the_smallest_batch_that_is_set_up) {
    open("emulated");
    batched_model model = in_steps();
    EXPECT_THAT(bound_, testing::IsEmpty()) << "none before it is run";
    const auto bound_after = [&](std::int32_t n) {
        model.add_run(*stream_, n, false);
        EXPECT_OK(synchronise(*stream_, *done_, {stage::detect, {}}));
        return std::exchange(bound_, {});
    };
    EXPECT_THAT(bound_after(3), testing::ElementsAre(4)) << "nothing is there: the smallest that holds them";
    EXPECT_THAT(bound_after(1), testing::IsEmpty()) << "four do, one would have to be set up";
    EXPECT_THAT(bound_after(5), testing::ElementsAre(8));
    EXPECT_THAT(bound_after(7), testing::IsEmpty());
    EXPECT_THAT(bound_after(16), testing::ElementsAre(16));
    EXPECT_THAT(bound_after(9), testing::IsEmpty());
}

TEST_F(batched_model_test, warming_up_sets_up_the_usual_batch_or_every_one) {
    open("emulated");
    batched_model usual = in_steps(), every = in_steps();
    usual.warm_up(*stream_, 5, false, true);
    EXPECT_THAT(std::exchange(bound_, {}), testing::ElementsAre(8));
    every.warm_up(*stream_, 5, true, true);
    EXPECT_THAT(bound_, testing::ElementsAre(16, 8, 4, 1)) << "the largest first";
    EXPECT_OK(synchronise(*stream_, *done_, {stage::detect, {}}));
}

TEST_F(batched_model_test, each_size_of_batch_has_a_session_of_its_own_where_it_is_loaded_for_it) {
    int loads = 0;
    const auto another = [&](const inference::session&) {
        ++loads;
        return inference::session::load(models_.runtime, models_.detector_file, inference::threading::caller);
    };
    const auto first = models_.detector->for_batch(1).value();
    placed_model on_device(first, another), on_host(first);
    EXPECT_EQ(on_device.for_batch(4).value(), first) << "the one that is there";
    const auto second = on_device.for_batch(1).value();
    EXPECT_NE(second, first);
    EXPECT_EQ(on_device.for_batch(4).value(), first);
    EXPECT_EQ(on_device.for_batch(1).value(), second);
    EXPECT_EQ(loads, 1);
    EXPECT_EQ(on_host.for_batch(4).value(), on_host.for_batch(1).value());
}

TEST_F(batched_model_test, a_session_that_cannot_be_had_is_asked_for_again) {
    int loads = 0;
    placed_model model(models_.detector->for_batch(1).value(), [&](const inference::session&) {
        ++loads;
        return result<std::shared_ptr<inference::session>>(fail(errc::out_of_memory, "full"));
    });
    EXPECT_OK(model.for_batch(1));
    EXPECT_FALSE(model.for_batch(2));
    EXPECT_FALSE(model.for_batch(2));
    EXPECT_EQ(loads, 2);
}

}  // namespace
}  // namespace faceflow::flow
