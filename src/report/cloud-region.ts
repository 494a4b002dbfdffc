/** Where each list of regions is published by whoever names them. */
const SOURCES = {
  alibaba: 'https://www.alibabacloud.com/help/en/cloud-migration-guide-for-beginners/latest/regions-and-zones',
  aws: 'https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html',
  azure: 'https://learn.microsoft.com/en-us/azure/reliability/regions-list',
  digitalocean: 'https://docs.digitalocean.com/platform/regional-availability',
  gcp: 'https://cloud.google.com/compute/docs/regions-zones',
  hetzner: 'https://docs.hetzner.com/cloud/general/locations',
} as const;

/** A cloud whose regions everybody knows by name. */
export type ListedCloud = keyof typeof SOURCES;

/**
 * The regions whose name may leave the cluster, by Kubermatic's name of the cloud. A region that is new is "unknown" until it is added
 * here; a name without a source does not get onto a list. Regions of OpenStack, vSphere and Anexia have names that operators made up, so
 * there is no list of them.
 */
export const CLOUD_REGIONS: Readonly<
  Record<ListedCloud, { readonly source: string; readonly regions: ReadonlySet<string> }>
> = {
  alibaba: listed(
    'alibaba',
    `cn-qingdao cn-beijing cn-zhangjiakou cn-huhehaote cn-wulanchabu cn-hangzhou cn-shanghai cn-nanjing cn-fuzhou cn-wuhan-lr cn-shenzhen
     cn-heyuan cn-guangzhou cn-chengdu cn-hongkong ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-5 ap-southeast-6
     ap-southeast-7 ap-northeast-1 ap-northeast-2 ap-south-1 us-east-1 us-west-1 na-south-1 eu-central-1 eu-west-1 me-east-1 me-central-1`,
  ),
  aws: listed(
    'aws',
    `us-east-1 us-east-2 us-west-1 us-west-2 af-south-1 ap-east-1 ap-east-2 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2
     ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ap-northeast-1 ap-northeast-2 ap-northeast-3 ca-central-1
     ca-west-1 eu-central-1 eu-central-2 eu-west-1 eu-west-2 eu-west-3 eu-south-1 eu-south-2 eu-north-1 il-central-1 mx-central-1
     me-south-1 me-central-1 sa-east-1 us-gov-east-1 us-gov-west-1 cn-north-1 cn-northwest-1`,
  ),
  azure: listed(
    'azure',
    `australiacentral australiacentral2 australiaeast australiasoutheast austriaeast belgiumcentral brazilsouth brazilsoutheast canadacentral
     canadaeast centralindia centralus chilecentral eastasia eastus eastus2 francecentral francesouth germanynorth germanywestcentral
     indonesiacentral israelcentral italynorth japaneast japanwest jioindiacentral jioindiawest koreacentral koreasouth malaysiawest
     mexicocentral newzealandnorth northcentralus northeurope norwayeast norwaywest polandcentral qatarcentral southafricanorth
     southafricawest southcentralus southeastasia southindia spaincentral swedencentral swedensouth switzerlandnorth switzerlandwest
     uaecentral uaenorth uksouth ukwest westcentralus westeurope westindia westus westus2 westus3 chinaeast chinaeast2 chinaeast3
     chinanorth chinanorth2 chinanorth3 usgovarizona usgovtexas usgovvirginia`,
  ),
  digitalocean: listed('digitalocean', 'nyc1 nyc2 nyc3 ams2 ams3 sfo1 sfo2 sfo3 sgp1 lon1 fra1 tor1 blr1 syd1 atl1'),
  gcp: listed(
    'gcp',
    `africa-south1 asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1 asia-south2 asia-southeast1
     asia-southeast2 australia-southeast1 australia-southeast2 europe-central2 europe-north1 europe-north2 europe-southwest1 europe-west1
     europe-west2 europe-west3 europe-west4 europe-west6 europe-west8 europe-west9 europe-west10 europe-west12 me-central1 me-central2
     me-west1 northamerica-northeast1 northamerica-northeast2 northamerica-south1 southamerica-east1 southamerica-west1 us-central1
     us-east1 us-east4 us-east5 us-south1 us-west1 us-west2 us-west3 us-west4`,
  ),
  hetzner: listed('hetzner', 'fsn1 nbg1 hel1 ash hil sin'),
};

/**
 * The region of a datacenter: a name that its cloud published, else "unknown".
 *
 * @param provider the cloud under Kubermatic's name for it
 */
export function cloudRegionOf(provider: string, region: string): string {
  return isListedCloud(provider) && CLOUD_REGIONS[provider].regions.has(region) ? region : 'unknown';
}

function isListedCloud(provider: string): provider is ListedCloud {
  return Object.hasOwn(SOURCES, provider);
}

function listed(
  cloud: ListedCloud,
  regions: string,
): { readonly source: string; readonly regions: ReadonlySet<string> } {
  return { source: SOURCES[cloud], regions: new Set(regions.split(/\s+/)) };
}
