// SPDX-License-Identifier: Apache-2.0
// Whole networks on our own kernels, on a card: what they give beside ONNX Runtime's on the CPU in single precision.
#include <cstring>

#include "backends/open_devices.hpp"
#include "inference/cuda/fused_network.hpp"
#include "inference/kernels/simt.hpp"
#include "integration/fused_testing.hpp"

namespace faceflow::internal {
namespace {

using inference::fused_binding;
using inference::fused_network;

class fused_networks_on_a_card : public testing::Test {
protected:
    void SetUp() override {
        auto devices = open_devices({"cuda", 256 * test::mib, "none"});
        if (!devices) GTEST_SKIP() << devices.error().message;
        devices_ = *std::move(devices);
        stream_ = devices_[0]->make_stream("fused networks").value();
        event_ = devices_[0]->make_event().value();
    }

    void wait() { ASSERT_OK(synchronise(*stream_, *event_, {stage::capture, {}})); }

    // A picture's input, to that place.
    void show(fused_binding& b, const inference::plan& p, std::int32_t at, const std::vector<float>& rgb) {
        std::vector<std::uint16_t> halves;
        for (std::size_t i = 0; i < rgb.size(); ++i) {
            halves.push_back(half_bits(rgb[i] * p.input.scale + p.input.bias));
            if (i % 3 == 2) halves.push_back(0);
        }
        const std::size_t bytes = halves.size() * sizeof(std::uint16_t);
        ASSERT_OK(transfer(*stream_, direction::host_to_device, b.input() + static_cast<std::size_t>(at) * bytes,
                           {reinterpret_cast<std::byte*>(halves.data()), bytes, false}, bytes, {stage::capture, {}}));
    }

    // Every vector of the plan that leaves its kernel, of a picture.
    std::map<std::string, std::vector<float>> outputs(fused_binding& b, const inference::plan& p, std::int32_t at) {
        std::map<std::string, std::vector<float>> all;
        for (const auto& v : p.vectors) {
            const float* const from = b.output(v.name);
            if (from == nullptr) continue;
            const auto length = static_cast<std::size_t>(b.output_length(v.name));
            std::vector<float> values(length);
            EXPECT_OK(
                transfer(*stream_, direction::device_to_host,
                         reinterpret_cast<std::byte*>(const_cast<float*>(from + static_cast<std::size_t>(at) * length)),
                         {reinterpret_cast<std::byte*>(values.data()), length * sizeof(float), false},
                         length * sizeof(float), {stage::capture, {}}));
            all[v.name] = values;
        }
        wait();
        return all;
    }

    // Three pictures at once beside the graph; each by itself and from a CUDA graph to the same bits.
    void run(const test::subject& s) {
        SKIP_WITHOUT_ONNXRUNTIME();
        if (test::missing(s)) GTEST_SKIP() << s.model << " is absent: run tools/setup.sh";
        const inference::plan p = test::plan_of(s);
        auto network = fused_network::load(p, *stream_);
        ASSERT_OK(network);
        auto three = fused_binding::create(*network, *stream_, s.height, s.width, 3);
        auto one = fused_binding::create(*network, *stream_, s.height, s.width, 1);
        ASSERT_OK(three);
        ASSERT_OK(one);
        for (int i = 0; i < 3; ++i)
            show(*three, p, i, test::crop(i, s.height, s.width));
        three->add_run(*stream_, 0, 3);
        wait();
        auto captured = stream_->capture([&]() -> result<void> {
            one->add_run(*stream_, 0, 1);
            return {};
        });
        ASSERT_OK(captured);
        test::graph_reference wanted(s);
        for (int i = 0; i < 3; ++i) {
            const std::vector<float> rgb = test::crop(i, s.height, s.width);
            wanted.run(rgb);
            const auto together = outputs(*three, p, i);
            EXPECT_FALSE(together.empty());
            for (const auto& [name, values] : together) {
                const std::vector<float> right = wanted.vector(name);
                if (right.empty()) continue;
                EXPECT_LT(test::relative_error(values, right), 2e-2) << name;
            }
            show(*one, p, 0, rgb);
            one->add_run(*stream_, 0, 1);
            EXPECT_EQ(outputs(*one, p, 0), together);
            stream_->launch(**captured);
            EXPECT_EQ(outputs(*one, p, 0), together);
        }
        wait();
    }

    std::vector<std::unique_ptr<device>> devices_;
    std::unique_ptr<stream> stream_;
    std::unique_ptr<event> event_;
};

TEST_F(fused_networks_on_a_card, the_mesh_gives_what_its_graph_does) {
    run(test::mesh_subject());
}
TEST_F(fused_networks_on_a_card, blazeface_gives_what_its_graph_does) {
    run(test::blazeface_subject());
}
TEST_F(fused_networks_on_a_card, retinaface_gives_what_its_graph_does) {
    run(test::retinaface_subject());
    run(test::retinaface_subject(384, 640));
}

}  // namespace
}  // namespace faceflow::internal
