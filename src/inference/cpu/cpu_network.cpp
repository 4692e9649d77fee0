#include "inference/cpu/cpu_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "inference/cpu/prepared_network.hpp"

namespace faceflow::inference {
namespace {

using cpu::memory_layout;
using cpu::prepared_binding;
using cpu::prepared_network;

// A device's memory where host functions find it.
float* floats_at(const device& on, std::byte* memory) {
    return reinterpret_cast<float*>(on.kernel_address(memory));
}

tensor_index find_vector(const plan& p, std::string_view name) {
    const auto at =
        std::find_if(p.vectors.begin(), p.vectors.end(), [&](const plan_vector& v) { return v.name == name; });
    return at == p.vectors.end() ? -1 : static_cast<tensor_index>(at - p.vectors.begin());
}

// What layers leave to each other; only host functions touch it.
struct freed {
    void operator()(float* memory) const noexcept { std::free(memory); }
};
using host_floats = std::unique_ptr<float[], freed>;

result<host_floats> zeros(std::size_t bytes) {
    constexpr std::size_t line = 64;
    const std::size_t whole = (std::max<std::size_t>(bytes, 1) + line - 1) / line * line;
    host_floats made(static_cast<float*>(std::aligned_alloc(line, whole)));
    if (made == nullptr) return fail(errc::out_of_memory, fmt::format("no memory for a model: {} bytes", whole));
    std::memset(made.get(), 0, whole);
    return made;
}

class bound_cpu final : public bound_network {
public:
    static result<std::unique_ptr<bound_network>> create(const std::shared_ptr<const prepared_network>& of, stream& on,
                                                         const binding_request& wanted) {
        auto layout = memory_layout::make(*of, wanted.height, wanted.width, wanted.most);
        if (!layout) return tl::unexpected(std::move(layout.error()));
        device& device = on.owner();
        std::unique_ptr<bound_cpu> b(new bound_cpu(of, device));
        if (auto there = b->take_input(wanted); !there) return tl::unexpected(std::move(there.error()));
        auto memory = zeros(layout->bytes());
        if (!memory) return tl::unexpected(std::move(memory.error()));
        b->memory_ = std::move(*memory);
        auto places = layout->in(b->memory_.get(), floats_at(device, b->input_));
        for (const network_output& o : wanted.outputs) {
            auto placed = b->take_output(o, *layout, wanted.most, places);
            if (!placed) return tl::unexpected(std::move(placed.error()));
        }
        b->steps_.emplace(of, std::move(places));
        auto scratch = zeros(b->steps_->scratch() * sizeof(float));
        if (!scratch) return tl::unexpected(std::move(scratch.error()));
        b->scratch_ = std::move(*scratch);
        return b;
    }

    std::byte* input() const noexcept override { return input_; }

    const float* output(std::string_view name) const noexcept override {
        const auto at = std::find_if(outputs_.begin(), outputs_.end(), [&](const auto& o) { return o.first == name; });
        return at == outputs_.end() ? nullptr : at->second.template as<float>();
    }

    void add_run(stream& on, std::int32_t first, std::int32_t n) override {
        on.enqueue([this, first, n] { return run(first, n); });
    }

    result<void> run(std::int32_t first, std::int32_t n) override {
        // Here, and not when it is bound: a device's memory may be for tasks alone.
        if (!std::exchange(cleared_, true)) {
            for (const auto& [name, memory] : outputs_)
                std::memset(device_.kernel_address(memory.data()), 0, memory.bytes());
        }
        steps_->run(first, n, scratch_.get());
        return {};
    }

private:
    bound_cpu(const std::shared_ptr<const prepared_network>& of, device& on) : of_(of), device_(on) {}

    result<void> take_input(const binding_request& wanted) {
        input_ = wanted.input;
        if (input_ != nullptr) return {};
        const auto pixels = static_cast<std::size_t>(wanted.most) * static_cast<std::size_t>(wanted.height) *
                            static_cast<std::size_t>(wanted.width);
        auto memory = device_buffer::allocate(device_.pool(), pixels * 3 * sizeof(float));
        if (!memory) return tl::unexpected(std::move(memory.error()));
        own_input_ = std::move(*memory);
        input_ = own_input_.data();
        return {};
    }

    // Others than layers read it, so it lies on the device.
    result<void> take_output(const network_output& o, const memory_layout& layout, std::int32_t most,
                             cpu::tensor_places& places) {
        const tensor_index i = find_vector(of_->of(), o.name);
        const std::int64_t length = i < 0 ? 0 : layout.length(i);
        if (length != o.length()) {
            return fail(errc::corrupt, fmt::format("the model's plan gives {} numbers as {}, where {} are wanted",
                                                   length, o.name, o.length()));
        }
        const std::size_t floats = static_cast<std::size_t>(length) * static_cast<std::size_t>(most);
        auto memory = device_buffer::allocate(device_.pool(), floats * sizeof(float));
        if (!memory) return tl::unexpected(std::move(memory.error()));
        places.vectors[static_cast<std::size_t>(i)].data = floats_at(device_, memory->data());
        outputs_.emplace_back(o.name, std::move(*memory));
        return {};
    }

    const std::shared_ptr<const prepared_network> of_;
    device& device_;
    device_buffer own_input_;
    std::byte* input_ = nullptr;
    std::vector<std::pair<std::string, device_buffer>> outputs_;
    host_floats memory_, scratch_;
    std::optional<prepared_binding> steps_;
    bool cleared_ = false;
};

class cpu_network final : public network {
public:
    explicit cpu_network(std::shared_ptr<const prepared_network> of) : of_(std::move(of)) {}

    picture_form form() const noexcept override {
        const plan_input& in = of_->of().input;
        return {vision::tensor_format::planar_float, in.scale, in.bias};
    }

    result<std::unique_ptr<bound_network>> bind(stream& on, const binding_request& wanted) override {
        return bound_cpu::create(of_, on, wanted);
    }

private:
    const std::shared_ptr<const prepared_network> of_;
};

}  // namespace

std::shared_ptr<network> make_cpu_network(plan of) {
    return std::make_shared<cpu_network>(prepared_network::make(std::move(of)));
}

result<std::shared_ptr<network>> make_cpu_network(const std::filesystem::path& model, std::string_view model_sha256) {
    auto read = load_plan(model, model_sha256);
    if (!read) {
        return fail(read.error().code == errc::not_found ? errc::unsupported : read.error().code,
                    std::move(read.error().message));
    }
    return make_cpu_network(std::move(*read));
}

}  // namespace faceflow::inference
