// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "symbols.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weft::detail {

namespace {

constexpr std::size_t longest_name = 200;

/// A file of machine code, mapped to be read.
class mapped_file {
  public:
    explicit mapped_file(const char* path) noexcept {
        const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return;
        struct stat s{};
        if (::fstat(fd, &s) == 0 && s.st_size > 0) {
            void* const p =
                ::mmap(nullptr, static_cast<std::size_t>(s.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
            if (p != MAP_FAILED) {
                data_ = static_cast<const char*>(p);
                size_ = static_cast<std::size_t>(s.st_size);
            }
        }
        ::close(fd);
    }
    mapped_file(const mapped_file&) = delete;
    mapped_file& operator=(const mapped_file&) = delete;
    ~mapped_file() {
        if (data_) ::munmap(const_cast<char*>(data_), size_);
    }

    /// `count` objects at an offset, or null when the file is not that long.
    template <class T>
    const T* at(std::uint64_t offset, std::uint64_t count = 1) const noexcept {
        if (!data_ || offset > size_ || count > (size_ - offset) / sizeof(T) ||
            offset % alignof(T) != 0)
            return nullptr;
        return reinterpret_cast<const T*>(data_ + offset);
    }

  private:
    const char* data_ = nullptr;
    std::size_t size_ = 0;
};

std::string demangled(const char* name) {
    int status = 0;
    struct free_it {
        void operator()(char* p) const noexcept { std::free(p); }
    };
    const std::unique_ptr<char, free_it> plain(
        abi::__cxa_demangle(name, nullptr, nullptr, &status));
    std::string text = status == 0 && plain ? plain.get() : name;
    if (text.size() > longest_name) text.replace(longest_name, text.npos, "...");
    return text;
}

/// The function in one symbol table that an address of the file lies in.
std::string function_in(const mapped_file& file, std::uint64_t address, std::uint32_t table_type) {
    const auto* head = file.at<ElfW(Ehdr)>(0);
    if (!head || std::memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
        head->e_shentsize != sizeof(ElfW(Shdr)))
        return {};
    const auto* sections = file.at<ElfW(Shdr)>(head->e_shoff, head->e_shnum);
    if (!sections) return {};
    for (std::size_t i = 0; i < head->e_shnum; ++i) {
        const auto& table = sections[i];
        if (table.sh_type != table_type || table.sh_link >= head->e_shnum) continue;
        const auto& names = sections[table.sh_link];
        const std::uint64_t count = table.sh_size / sizeof(ElfW(Sym));
        const auto* symbols = file.at<ElfW(Sym)>(table.sh_offset, count);
        const char* text = file.at<char>(names.sh_offset, names.sh_size);
        if (!symbols || !text || names.sh_size == 0 || text[names.sh_size - 1] != '\0') continue;
        for (std::uint64_t s = 0; s < count; ++s) {
            const auto& symbol = symbols[s];
            if ((symbol.st_info & 0xf) != STT_FUNC || symbol.st_name >= names.sh_size ||
                address < symbol.st_value || address - symbol.st_value >= symbol.st_size)
                continue;
            return demangled(text + symbol.st_name);
        }
    }
    return {};
}

struct module_of {
    std::uintptr_t address;
    std::string path = {};
    std::uintptr_t base = 0;
    bool found = false;
};

int look_for_module(dl_phdr_info* info, std::size_t, void* argument) {
    auto& wanted = *static_cast<module_of*>(argument);
    for (std::size_t i = 0; i < info->dlpi_phnum; ++i) {
        const auto& segment = info->dlpi_phdr[i];
        const std::uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
        if (segment.p_type != PT_LOAD || wanted.address < begin ||
            wanted.address - begin >= segment.p_memsz)
            continue;
        wanted.path = info->dlpi_name ? info->dlpi_name : "";
        wanted.base = info->dlpi_addr;
        wanted.found = true;
        return 1;
    }
    return 0;
}

}  // namespace

std::vector<std::string> describe_frames(std::span<void* const> return_addresses) {
    std::vector<std::string> lines;
    std::string mapped_path;
    std::unique_ptr<mapped_file> file;  // neighbours are often in the same
    for (void* const frame : return_addresses) {
        module_of where{reinterpret_cast<std::uintptr_t>(frame)};
        ::dl_iterate_phdr(&look_for_module, &where);
        if (!where.found) {
            lines.push_back(fmt::format("({})", frame));
            continue;
        }
        const std::string path = where.path.empty() ? "/proc/self/exe" : where.path;
        if (!file || mapped_path != path) {
            file = std::make_unique<mapped_file>(path.c_str());
            mapped_path = path;
        }
        // A return address is behind its call; the call may be a function's last instruction.
        const std::uint64_t address = where.address - where.base - 1;
        std::string function = function_in(*file, address, SHT_SYMTAB);
        if (function.empty()) function = function_in(*file, address, SHT_DYNSYM);
        std::string_view module = where.path.empty() ? "program" : std::string_view(where.path);
        if (const auto slash = module.rfind('/'); slash != module.npos)
            module.remove_prefix(slash + 1);
        lines.push_back(fmt::format("{}{}({}+{:#x})", function, function.empty() ? "" : " ", module,
                                    where.address - where.base));
    }
    return lines;
}

}  // namespace weft::detail
