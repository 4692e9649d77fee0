// SPDX-License-Identifier: Apache-2.0
// The CPU's networks as flows bind them: memory out of a device's pool, device addresses, errors.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "backends/back_end.hpp"
#include "backends/open_devices.hpp"
#include "device/cpu/cpu_device.hpp"
#include "flow/stages/models.hpp"
#include "fused_testing.hpp"
#include "helpers/host_network.hpp"
#include "inference/cpu/cpu_network.hpp"

namespace faceflow::internal {
namespace {

namespace fs = std::filesystem;
using inference::binding_request;
using inference::bound_network;

class cpu_bindings : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        open(std::size_t{1} << 30);
        auto made = make_native_network(
            *on_, {mesh_.model, inference::sha256_of(mesh_.model).value(), inference::threading::caller});
        ASSERT_OK(made);
        mesh_network_ = *made;
    }
    void open(std::size_t cap) {
        stream_.reset();
        auto devices = open_devices({GetParam(), cap, "none"});
        ASSERT_OK(devices);
        on_ = std::move(devices->front());
        auto made = on_->make_stream("test");
        ASSERT_OK(made);
        stream_ = std::move(*made);
    }
    [[nodiscard]] result<std::unique_ptr<bound_network>> bind(binding_request wanted) const {
        return mesh_network_->bind(*stream_, wanted);
    }
    // Waits for the stream.
    void finish() const {
        auto done = on_->make_event();
        ASSERT_OK(done);
        ASSERT_OK(synchronise(*stream_, **done, {stage::landmark, {}}));
    }
    // Puts planes of a crop where picture `i` lies.
    void show(std::byte* input, std::size_t i, const std::vector<float>& rgb) const {
        std::vector<float> planes(rgb.size());
        for (std::size_t p = 0; p < rgb.size(); ++p)
            planes[p % 3 * (rgb.size() / 3) + p / 3] = rgb[p];
        const std::size_t bytes = planes.size() * sizeof(float);
        stream_->run([this, input, i, bytes, planes]() -> result<void> {
            std::memcpy(on_->kernel_address(input + i * bytes), planes.data(), bytes);
            return {};
        });
    }
    [[nodiscard]] std::vector<float> numbers(const float* device_address, std::size_t count) const {
        std::vector<float> all(count);
        auto* const at = const_cast<std::byte*>(reinterpret_cast<const std::byte*>(device_address));
        stream_->run([this, at, &all]() -> result<void> {
            std::memcpy(all.data(), on_->kernel_address(at), all.size() * sizeof(float));
            return {};
        });
        finish();
        return all;
    }

    const test::subject mesh_ = test::mesh_subject();
    const std::vector<inference::network_output> outputs_{{"landmarks", {landmark_count, 3}}, {"score", {1}}};
    std::unique_ptr<device> on_;
    std::unique_ptr<stream> stream_;
    std::shared_ptr<inference::network> mesh_network_;
};

TEST_P(cpu_bindings, run_some_of_their_pictures_and_leave_the_others) {
    auto bound = bind({.height = 192, .width = 192, .most = 3, .outputs = outputs_});
    ASSERT_OK(bound);
    bound_network& b = **bound;
    for (std::size_t i = 0; i < 3; ++i)
        show(b.input(), i, test::crop(static_cast<int>(i), 192, 192));
    b.add_run(*stream_, 1, 2);
    finish();
    constexpr std::size_t length = std::size_t{3} * 478;
    const std::vector<float> all = numbers(b.output("landmarks"), 3 * length), scores = numbers(b.output("score"), 3);
    EXPECT_EQ(std::vector<float>(all.begin(), all.begin() + length), std::vector<float>(length)) << "none of the first";
    for (std::size_t i = 1; i < 3; ++i) {
        test::host_network alone(test::plan_of(mesh_), 192, 192, 1);
        alone.set_input(0, test::crop(static_cast<int>(i), 192, 192));
        alone.run(0, 1);
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(i * length);
        EXPECT_EQ(std::vector<float>(begin, begin + length), alone.vector("landmarks", 0));
        EXPECT_EQ(scores[i], alone.vector("score", 0).front());
    }
    EXPECT_EQ(b.output("no such"), nullptr);
}

TEST_P(cpu_bindings, read_pictures_where_they_are_told_to) {
    auto memory = device_buffer::allocate(on_->pool(), std::size_t{3} * 192 * 192 * sizeof(float));
    ASSERT_OK(memory);
    auto own = bind({.height = 192, .width = 192, .most = 1, .outputs = outputs_}),
         told = bind({.height = 192, .width = 192, .most = 1, .outputs = outputs_, .input = memory->data()});
    ASSERT_OK(own);
    ASSERT_OK(told);
    EXPECT_EQ((*told)->input(), memory->data());
    for (auto* b : {&*own, &*told}) {
        show((*b)->input(), 0, test::crop(0, 192, 192));
        (*b)->add_run(*stream_, 0, 1);
    }
    constexpr std::size_t length = std::size_t{3} * 478;
    EXPECT_EQ(numbers((*own)->output("landmarks"), length), numbers((*told)->output("landmarks"), length));
}

TEST_P(cpu_bindings, give_their_memory_back) {
    const std::size_t before = on_->pool().used_bytes();
    {
        auto bound = bind({.height = 192, .width = 192, .most = 4, .outputs = outputs_});
        ASSERT_OK(bound);
        EXPECT_GT(on_->pool().used_bytes(), before + std::size_t{4} * 3 * 192 * 192 * sizeof(float));
    }
    EXPECT_EQ(on_->pool().used_bytes(), before);
}

TEST_P(cpu_bindings, say_what_is_wrong) {
    EXPECT_EQ(bind({.height = 96, .width = 192, .most = 1, .outputs = outputs_}).error().code, errc::invalid_argument);
    EXPECT_EQ(bind({.height = 192, .width = 192, .most = 1, .outputs = {{"landmarks", {477, 3}}}}).error().code,
              errc::corrupt);
    EXPECT_EQ(bind({.height = 192, .width = 192, .most = 1, .outputs = {{"no such", {1}}}}).error().code,
              errc::corrupt);
    open(std::size_t{1} << 20);
    EXPECT_EQ(bind({.height = 192, .width = 192, .most = 8, .outputs = outputs_}).error().code, errc::out_of_memory);
    EXPECT_EQ(on_->pool().used_bytes(), 0u);
}

TEST_P(cpu_bindings, need_a_plan_of_that_model) {
    const test::temporary_folder alone;
    fs::create_symlink(mesh_.model, alone / "mesh.onnx");
    const auto missing = make_native_network(*on_, {alone / "mesh.onnx", "0", inference::threading::caller});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, errc::unsupported);
    const auto other = make_native_network(*on_, {mesh_.model, std::string(64, '0'), inference::threading::caller});
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, errc::corrupt);
}

INSTANTIATE_TEST_SUITE_P(devices, cpu_bindings, testing::Values("cpu", "emulated"),
                         [](const auto& i) { return i.param; });

// All vectors of some pictures, one run each (`at_once` of 1) or some together, by so many threads.
std::vector<float> outputs_by(std::int32_t threads, const test::subject& s, std::int32_t at_once) {
    constexpr std::int32_t pictures = 5;
    const auto on = make_cpu_device(std::size_t{1} << 30, threads);
    const auto stream = std::move(on->make_stream("test").value());
    const inference::plan p = test::plan_of(s);
    const test::host_network sizes(p, s.height, s.width, 1);
    std::vector<inference::network_output> outputs;
    for (const auto& v : p.vectors)
        outputs.push_back({v.name, {static_cast<std::int64_t>(sizes.vector(v.name, 0).size())}});
    const auto network = inference::make_cpu_network(p, inference::threading::shared);
    auto bound = network->bind(*stream, {.height = s.height, .width = s.width, .most = pictures, .outputs = outputs});
    EXPECT_OK(bound);
    auto* to = reinterpret_cast<float*>((*bound)->input());
    for (int i = 0; i < pictures; ++i) {
        const auto rgb = test::crop(i % 3, s.height, s.width);
        for (std::size_t c = 0; c < 3; ++c)
            for (std::size_t at = c; at < rgb.size(); at += 3)
                *to++ = rgb[at];
    }
    std::vector<float> all;
    for (int round = 0; round < 3; ++round) {
        for (std::int32_t i = 0; i < pictures; i += at_once)
            EXPECT_OK((*bound)->run(i, std::min(at_once, pictures - i)));
        for (const auto& o : outputs) {
            const float* const from = (*bound)->output(o.name);
            all.insert(all.end(), from, from + o.length() * pictures);
        }
    }
    return all;
}

// A picture whose steps are shared out, and pictures of which each is a thread's.
TEST(cpu_workers, give_the_bytes_of_one_thread_whatever_their_number) {
    for (const test::subject& s : {test::mesh_subject(), test::retinaface_subject()}) {
        const auto alone = outputs_by(1, s, 1);
        for (const std::int32_t threads : {2, 3, 16})
            for (const std::int32_t at_once : {1, 2, 5})
                EXPECT_EQ(outputs_by(threads, s, at_once), alone) << s.name << ", " << threads << " threads";
    }
}

// Only large maps do.
TEST(cpu_workers, share_a_picture_whose_maps_pass_by_in_rows) {
    const test::subject s = test::retinaface_subject(384, 640);
    const auto alone = outputs_by(1, s, 1);
    for (const std::int32_t threads : {2, 16})
        EXPECT_EQ(outputs_by(threads, s, 1), alone) << threads << " threads";
}

}  // namespace
}  // namespace faceflow::internal
