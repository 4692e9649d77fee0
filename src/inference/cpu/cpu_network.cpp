#include "inference/cpu/cpu_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

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

class bound_cpu final : public bound_network {
public:
    static result<std::unique_ptr<bound_network>> create(const std::shared_ptr<const prepared_network>& of, stream& on,
                                                         const binding_request& wanted) {
        auto layout = memory_layout::make(*of, wanted.height, wanted.width, wanted.most);
        if (!layout) return tl::unexpected(std::move(layout.error()));
        for (const network_output& o : wanted.outputs) {
            const tensor_index i = find_vector(of->of(), o.name);
            const std::int64_t length = i < 0 ? 0 : layout->length(i);
            if (length == o.length()) continue;
            return fail(errc::corrupt, fmt::format("the model's plan gives {} numbers as {}, where {} are wanted",
                                                   length, o.name, o.length()));
        }
        capped_resource& pool = on.owner().pool();
        device_buffer own_input;
        if (wanted.input == nullptr) {
            const auto pixels = static_cast<std::size_t>(wanted.most) * static_cast<std::size_t>(wanted.height) *
                                static_cast<std::size_t>(wanted.width);
            auto memory = device_buffer::allocate(pool, pixels * 3 * sizeof(float));
            if (!memory) return tl::unexpected(std::move(memory.error()));
            own_input = std::move(*memory);
        }
        auto memory = device_buffer::allocate(pool, layout->bytes());
        if (!memory) return tl::unexpected(std::move(memory.error()));
        std::unique_ptr<bound_cpu> b(
            new bound_cpu(of, *layout, on, wanted.input, std::move(own_input), std::move(*memory)));
        auto scratch = device_buffer::allocate(pool, std::max<std::size_t>(b->steps_.scratch(), 1) * sizeof(float));
        if (!scratch) return tl::unexpected(std::move(scratch.error()));
        b->scratch_ = std::move(*scratch);
        return b;
    }

    std::byte* input() const noexcept override { return input_; }

    const float* output(std::string_view name) const noexcept override {
        const tensor_index i = find_vector(of_->of(), name);
        if (i < 0) return nullptr;
        // Places are where host functions find them, and this is a device's address.
        const auto* const at = reinterpret_cast<const std::byte*>(steps_.places().vector(i).data);
        return reinterpret_cast<const float*>(memory_.data() + (at - device_.kernel_address(memory_.data())));
    }

    void add_run(stream& on, std::int32_t first, std::int32_t n) override {
        on.enqueue([this, first, n] { return run(first, n); });
    }

    result<void> run(std::int32_t first, std::int32_t n) override {
        // Here, and not when it is bound: a device's memory may be for tasks alone.
        if (!std::exchange(cleared_, true)) std::memset(device_.kernel_address(memory_.data()), 0, memory_.bytes());
        steps_.run(first, n, floats_at(device_, scratch_.data()));
        return {};
    }

private:
    bound_cpu(const std::shared_ptr<const prepared_network>& of, const memory_layout& layout, stream& on,
              std::byte* input, device_buffer own_input, device_buffer memory)
        : of_(of),
          device_(on.owner()),
          own_input_(std::move(own_input)),
          memory_(std::move(memory)),
          input_(input != nullptr ? input : own_input_.data()),
          steps_(of, layout, floats_at(device_, memory_.data()), floats_at(device_, input_)) {}

    const std::shared_ptr<const prepared_network> of_;
    device& device_;
    const device_buffer own_input_, memory_;
    std::byte* const input_;
    const prepared_binding steps_;
    device_buffer scratch_;
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
